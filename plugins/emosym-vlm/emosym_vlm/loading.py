"""A frozen model and its processor from a folder or the hub, with errors that say what to do."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from emosym_registry import EmosymError
from transformers import AutoConfig, AutoModelForImageTextToText, PretrainedConfig
from transformers.modeling_flash_attention_utils import (
    FLASH_ATTENTION_COMPATIBILITY_MATRIX,
    FLASH_ATTN_KERNEL_FALLBACK,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
from transformers.utils import logging as transformers_logging
from transformers.utils.import_utils import is_kernels_available

from emosym.contracts import Context
from emosym.toolkit import check_complete, choose_dtype, quiet, refuse_hub_code
from emosym_vlm.config import BackboneConfig
from emosym_vlm.failures import LOADING, downloaded, explained, require_place
from emosym_vlm.placing import check_on_device, placement, settle
from emosym_vlm.processor import load_processor
from emosym_vlm.segments import use_segments

LINES: Mapping[str, tuple[str, ...]] = {
    "qwen-vl": ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"),
    "llava": ("llava", "llava_next", "llava_onevision"),
    "hf-vlm": (),
}
"""``model_type`` of the configs that each backbone takes; empty for any."""


def reader_of(family: str) -> str:
    """The backbone for a family: the one that names it, else the one that takes any."""
    return next((name for name, families in LINES.items() if family in families), "hf-vlm")


def dtype_of(config: BackboneConfig, context: Context) -> torch.dtype:
    """The config's dtype, else the run's, else float32 on CPU (fp16 files too) and bfloat16 elsewhere."""
    on_cpu = context.device is None or context.device.type == "cpu"
    return choose_dtype(config.dtype, context.dtype or (torch.float32 if on_cpu else torch.bfloat16))


def load(config: BackboneConfig, context: Context, families: Sequence[str]) -> tuple[Any, Any]:
    """The model in eval mode with frozen weights, and its processor.

    The model lies on the CPU, or where ``device_map`` and ``quantization`` put it. Errors:
    ``backbone.missing-model``, ``backbone.missing-shard``, ``backbone.damaged-weights``,
    ``backbone.incomplete-weights``, ``backbone.weights-mismatch``, ``backbone.unsafe-pickle``,
    ``backbone.untrusted-code``, ``backbone.wrong-family``, ``backbone.unsupported-model``,
    ``backbone.no-attention``, ``backbone.bad-model``, and those of the processor and of the placement.
    """
    _check_attention(config.attention)
    path = context.model_path(config.model)
    require_place(config.model, context)
    if config.local_files_only:
        # From the folder itself: for a hub id transformers asks for an adapter all the same.
        path = str(downloaded(path) or path)
    options = {"local_files_only": config.local_files_only, "trust_remote_code": context.trust_remote_code}
    try:
        declared = AutoConfig.from_pretrained(path, **options)
        described, _ = PretrainedConfig.get_config_dict(path, **options)
    except LOADING as error:
        raise explained(config.model, context, error) from error
    refuse_hub_code("backbone", config.model, described)
    _check_family(declared, config.model, context, families)
    processor = load_processor(path, config, context, declared, options)
    model = _read_weights(path, config, context, options)
    _check_forward(model, config.model)
    check_on_device(model, config.model)
    settle(model, config.model)
    model.requires_grad_(False)
    if config.attention == "sdpa":
        use_segments(model.get_encoder(modality="image"))
    return model.eval(), processor


def _read_weights(path: str, config: BackboneConfig, context: Context, options: dict[str, Any]) -> Any:
    """The model with every weight from its files; pickles are opened for tensors alone."""
    dtype = dtype_of(config, context)
    placed = placement(config, context, dtype)
    try:
        with quiet(transformers_logging):
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                path,
                dtype=dtype,
                attn_implementation=config.attention,
                weights_only=True,
                ignore_mismatched_sizes=True,  # check_complete refuses them with their names.
                output_loading_info=True,
                **placed,
                **options,
            )
    except LOADING as error:
        raise explained(config.model, context, error) from error
    model, info = loaded
    check_complete("backbone", config.model, info)
    return model


def _check_attention(name: str) -> None:
    """For flash attention that is not installed, transformers runs a kernel of the hub."""
    kernel = FLASH_ATTN_KERNEL_FALLBACK.get(name)
    if kernel is None or not is_kernels_available():
        return
    if not FLASH_ATTENTION_COMPATIBILITY_MATRIX[int(name[-1])]["general_availability_check"]():
        raise EmosymError(
            "backbone.no-attention",
            f"attention {name} is not installed here, and {kernel} of the hub would run in its place",
            hint="install its package (flash-attn), or write attention: sdpa",
        )


def _check_family(declared: PretrainedConfig, model: str, context: Context, families: Sequence[str]) -> None:
    family = declared.model_type
    if families and family not in families:
        raise EmosymError(
            "backbone.wrong-family",
            f"{context.component or 'this backbone'} takes {', '.join(families)}; "
            f"{model} is a {family!r} model",
            hint=f"use backbone.name={reader_of(family)} for this family, or another model",
        )
    if type(declared) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and not getattr(declared, "auto_map", None):
        raise EmosymError(
            "backbone.unsupported-model",
            f"{model} is a {family!r} model, which reads no images into text",
            hint="choose an image-text-to-text model",
        )


def _check_forward(model: Any, name: str) -> None:
    base = model.base_model
    takes = inspect.signature(base.forward).parameters
    if "mm_encoder_outputs" not in takes or not hasattr(base, "get_image_features"):
        raise EmosymError(
            "backbone.unsupported-model",
            f"{name}: {type(model).__name__} does not take ready image features (mm_encoder_outputs)",
            hint="models that see by cross-attention, and transformers older than 5.23, are not supported",
        )
