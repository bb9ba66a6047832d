"""A frozen model and its processor from a folder or the hub, with errors that say what to do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from emosym_registry import EmosymError
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    PretrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
from transformers.utils import logging as transformers_logging

from emosym.contracts import Context
from emosym_vlm.config import BackboneConfig
from emosym_vlm.segments import use_segments

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_dtype(config: BackboneConfig, context: Context) -> torch.dtype:
    """The config's dtype, else the run's, else float32 on CPU and bfloat16 elsewhere (fp16 files become float32)."""
    if config.dtype != "auto":
        return _DTYPES[config.dtype]
    if context.dtype is not None:
        return context.dtype
    on_cpu = context.device is None or context.device.type == "cpu"
    return torch.float32 if on_cpu else torch.bfloat16


def load(
    config: BackboneConfig, context: Context, families: Sequence[str]
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """The model in eval mode on the CPU with frozen weights, and its processor.

    Errors: ``backbone.missing-model``, ``backbone.wrong-family``, ``backbone.unsupported-model``,
    ``backbone.no-processor``, ``backbone.no-chat-template``, ``backbone.no-pixel-limits``.
    """
    path = context.model_path(config.model)
    options = {"local_files_only": config.local_files_only, "trust_remote_code": context.trust_remote_code}
    declared = _load_config(path, config, context, options)
    _check_family(declared, config.model, context, families)
    processor = _load_processor(path, config, options)
    try:
        with _quiet():
            model = AutoModelForImageTextToText.from_pretrained(
                path, dtype=choose_dtype(config, context), attn_implementation=config.attention, **options
            )
    except OSError as error:
        raise _missing(config, context, error) from error
    except (ImportError, ValueError) as error:
        raise EmosymError(
            "backbone.bad-model",
            f"{config.model}: cannot be loaded: {error}",
            hint="check `attention` and the files",
        ) from error
    _check_forward(model, config.model)
    model.requires_grad_(False)
    if config.attention == "sdpa":
        use_segments(model.get_encoder(modality="image"))
    return model.eval(), processor


@contextmanager
def _quiet() -> Iterator[None]:
    """No loading bar: it is noise in a run's log."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _load_config(
    path: str, config: BackboneConfig, context: Context, options: dict[str, bool]
) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(path, **options)
    except (OSError, ValueError) as error:
        if "trust_remote_code" in str(error):
            raise EmosymError(
                "backbone.untrusted-code",
                f"{config.model} brings its own Python code, which would run on this machine",
                hint="read that code first, then allow it for this run; models of transformers itself need none",
            ) from error
        raise _missing(config, context, error) from error


def _missing(config: BackboneConfig, context: Context, error: Exception) -> EmosymError:
    path = context.model_path(config.model)
    aliases = sorted(
        name
        for kind, component, name in context.aliases
        if (kind, component) == (context.kind, context.component)
    )
    known = f"; aliases of {context.component}: {', '.join(aliases)}" if aliases else ""
    if Path(path).is_dir():
        what = f"folder {path} holds no complete model ({str(error).splitlines()[0]})"
        todo = "it needs config.json, *.safetensors and the processor's files, as save_pretrained writes them"
    else:
        what = f"model {config.model!r} is neither an alias, nor a folder, nor a hub id that can be reached{known}"
        todo = (
            f"download it once where there is a network (`hf download {config.model} --local-dir DIR`) and set"
            " backbone.params.model to DIR"
        )
    return EmosymError("backbone.missing-model", what, hint=todo)


def _check_family(declared: PretrainedConfig, model: str, context: Context, families: Sequence[str]) -> None:
    found = declared.model_type
    if families and found not in families:
        raise EmosymError(
            "backbone.wrong-family",
            f"{context.component or 'this backbone'} takes {', '.join(families)}; {model} is a {found!r} model",
            hint="use backbone.name=hf-vlm for other families, or another model",
        )
    if type(declared) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and not getattr(declared, "auto_map", None):
        raise EmosymError(
            "backbone.unsupported-model",
            f"{model} is a {found!r} model, which reads no images into text",
            hint="choose an image-text-to-text model",
        )


def _check_forward(model: PreTrainedModel, name: str) -> None:
    base = model.base_model
    takes = inspect.signature(base.forward).parameters
    if "mm_encoder_outputs" not in takes or not hasattr(base, "get_image_features"):
        raise EmosymError(
            "backbone.unsupported-model",
            f"{name}: {type(model).__name__} does not take ready image features (mm_encoder_outputs)",
            hint="models that attend to images by cross-attention, or transformers older than 5.23, are not supported",
        )


def _load_processor(path: str, config: BackboneConfig, options: dict[str, bool]) -> ProcessorMixin:
    try:
        processor = AutoProcessor.from_pretrained(path, **options)
    except (OSError, ValueError, ImportError) as error:
        raise EmosymError(
            "backbone.no-processor",
            f"{config.model}: its processor cannot be loaded: {error}",
            hint="complete the folder",
        ) from error
    if not isinstance(processor, ProcessorMixin) or not hasattr(processor, "image_processor"):
        raise EmosymError(
            "backbone.no-processor",
            f"{config.model} has no image processor (found {type(processor).__name__})",
            hint="add preprocessor_config.json or processor_config.json",
        )
    if processor.chat_template is None and processor.tokenizer.chat_template is None:
        raise EmosymError(
            "backbone.no-chat-template",
            f"{config.model}: the processor has no chat template, so there is no assistant's turn to put tokens in",
            hint="add chat_template.jinja to the model's folder, or use an instruction-tuned model",
        )
    _limit_pixels(processor, config)
    return processor


def _limit_pixels(processor: ProcessorMixin, config: BackboneConfig) -> None:
    if config.min_pixels is None and config.max_pixels is None:
        return
    image = processor.image_processor
    if not hasattr(image, "merge_size") or "longest_edge" not in (image.size or {}):
        raise EmosymError(
            "backbone.no-pixel-limits",
            f"{config.model}: {type(image).__name__} scales every image to one size, min_pixels and max_pixels mean nothing",
            hint="remove them from backbone.params",
        )
    # Both are areas: transformers 5 keeps the names of the edges.
    image.size = {
        "shortest_edge": config.min_pixels or image.size["shortest_edge"],
        "longest_edge": config.max_pixels or image.size["longest_edge"],
    }
