"""A model's processor: that it is whole, belongs to the model, and keeps images within limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from jinja2 import TemplateError, TemplateSyntaxError
from transformers import AutoProcessor, PretrainedConfig, ProcessorMixin

from emosym.contracts import QUESTION, Context
from emosym_vlm.config import BackboneConfig
from emosym_vlm.failures import LOADING, downloaded, explained

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.*", "*.model", "*.tiktoken", "tekken.json")
"""Files that tokenizers are made from; a folder without any of them has none."""
TEMPLATES = ("chat_template.jinja", "chat_template.json", "processor_config.json", "tokenizer_config.json")
"""Where a chat template is kept; the first that is there counts."""


def load_processor(
    path: str, config: BackboneConfig, context: Context, declared: PretrainedConfig, options: dict[str, Any]
) -> Any:
    """Errors: ``backbone.no-processor``, ``backbone.no-chat-template``, ``backbone.bad-chat-template``,
    ``backbone.wrong-tokenizer``, ``backbone.no-pixel-limits``, ``backbone.untrusted-code``."""
    try:
        processor: Any = AutoProcessor.from_pretrained(path, **options)
    except LOADING as error:
        if "trust_remote_code" in str(error):
            raise explained(config.model, context, error) from error
        why = first_line(error) if _has_tokenizer(path) else "tokenizer.json is missing"
        raise EmosymError(
            "backbone.no-processor",
            f"{config.model}: its processor cannot be loaded: {why}",
            hint="complete the folder: processor's and tokenizer's files, as save_pretrained writes them",
        ) from error
    if not isinstance(processor, ProcessorMixin) or not hasattr(processor, "image_processor"):
        raise EmosymError(
            "backbone.no-processor",
            f"{config.model} has no image processor (but {type(processor).__name__})",
            hint="add preprocessor_config.json or processor_config.json",
        )
    if processor.chat_template is None and processor.tokenizer.chat_template is None:
        raise EmosymError(
            "backbone.no-chat-template",
            f"{config.model}: the processor has no chat template, so there is no assistant's turn for tokens",
            hint="add chat_template.jinja to the model's folder, or use an instruction-tuned model",
        )
    _check_template(processor, path)
    _check_tokenizer(processor, config.model, declared)
    limit_pixels(processor, config)
    return processor


def _has_tokenizer(path: str) -> bool:
    """Whether a file is there that a tokenizer can be made from; what is not on this machine gets credit."""
    folder = downloaded(path)
    return folder is None or any(next(folder.glob(name), None) for name in TOKENIZERS)


def _check_template(processor: Any, path: str) -> None:
    """Write one prompt: a template that is damaged would only be noticed when the first image is read."""
    content = [{"type": "image"}, {"type": "text", "text": QUESTION}]
    try:
        processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
    except TemplateError as error:
        folder = downloaded(path) or Path(path)
        named = next((folder / name for name in TEMPLATES if (folder / name).is_file()), folder)
        line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
        raise EmosymError(
            "backbone.bad-chat-template",
            f"{named}{line}: the chat template cannot be used: {first_line(error)}",
            hint="mend the template, or take the file from the model again",
        ) from error


def _check_tokenizer(processor: Any, model: str, declared: PretrainedConfig) -> None:
    """transformers makes an empty tokenizer where files are missing; ask for the token that images need."""
    wanted = getattr(declared, "image_token_id", None)
    if wanted is None:
        return
    own = [one for one in getattr(processor, "image_token_ids", ()) if one is not None]
    if wanted not in own if own else wanted >= len(processor.tokenizer):
        raise EmosymError(
            "backbone.wrong-tokenizer",
            f"{model}: config.json says that images stand at token {wanted}, its tokenizer of"
            f" {len(processor.tokenizer)} tokens has it at {own or 'none'}",
            hint="add the model's own tokenizer.json and tokenizer_config.json; these belong to another",
        )


def limit_pixels(processor: Any, config: BackboneConfig) -> None:
    """Set the areas that images are scaled to; where the processor has none, asking for them is an error."""
    if config.min_pixels is None and config.max_pixels is None:
        return
    image = processor.image_processor
    if not hasattr(image, "merge_size") or "longest_edge" not in (image.size or {}):
        raise EmosymError(
            "backbone.no-pixel-limits",
            f"{config.model}: {type(image).__name__} scales every image to one size, "
            "min_pixels and max_pixels mean nothing",
            hint="remove them from backbone.params",
        )
    # Both are areas: transformers 5 keeps the names of the edges.
    image.size = {
        "shortest_edge": config.min_pixels or image.size["shortest_edge"],
        "longest_edge": config.max_pixels or image.size["longest_edge"],
    }
