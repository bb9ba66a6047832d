"""What a backbone computes for a picture, counted on the meta device by PyTorch's own counter."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor
from transformers import AutoProcessor

from emosym.contracts import QUESTION, Context, Operations, Workload
from emosym.toolkit import Counter, adapters_off, counted
from emosym_vlm.config import BackboneConfig
from emosym_vlm.footprint import (
    PROMPT_TOKENS,
    encode,
    kv_bytes_per_token,
    open_known,
    read,
    set_up,
    with_picture,
)
from emosym_vlm.reader import flat


def count(config: BackboneConfig, context: Context, load: Workload) -> Mapping[str, Operations] | None:
    """Operations of one picture in one step: ``vision`` (tower and projector), then ``prompt`` and ``tokens`` where the
    tokens are read after a prompt without gradient, else ``prompt and tokens`` in one pass.

    None where the model is neither a folder, nor in the local cache, nor known.
    """
    opened = open_known(config, context)
    if opened is None:
        return None
    folder, model, pictures = opened
    text = text_tokens(folder, config)
    kv_bytes = kv_bytes_per_token(model)
    load, _ = set_up(model, config, context, load, fused=False)
    features, forward, backward = count_vision(
        model, pictures, load, load.gradients and load.learns and config.adapts_vision
    )
    prompt = len(features) + text
    width = model.config.get_text_config(decoder=True).hidden_size
    bytes_each = features.element_size()
    once = config.training != "lora" and load.shared
    if once:  # keys, values and the last state are kept, and nobody asks for the features again
        vision = Operations(forward, backward, "prefixes")
    elif config.adapts_vision:
        vision = Operations(forward, backward)
    else:
        vision = Operations(forward, backward, "features", features.numel() * bytes_each)
    parts = {"vision": vision}
    with counted(load.autocast) as counter, torch.device("meta"):
        if not load.shared:
            return parts | {"prompt and tokens": _passes(model, prompt, load, counter, None)}
        with nullcontext() if config.training == "lora" else adapters_off(model):
            cache = encode(model, 1, prompt, width)
        kept = ("prefixes", prompt * kv_bytes + width * bytes_each) if once else ("", 0)
        parts["prompt"] = Operations(counter.take(), 0, *kept)
        return parts | {"tokens": _passes(model, prompt, load, counter, cache)}


def _passes(model: Any, prompt: int, load: Workload, counter: Counter, cache: Any) -> Operations:
    """All passes of a step over the reasoning tokens, after a cached prompt or with one that goes along."""
    width = model.config.get_text_config(decoder=True).hidden_size
    with torch.set_grad_enabled(load.gradients):
        tokens = torch.zeros(load.tokens, width, requires_grad=load.gradients)
        states = [read(model, tokens.expand(rows, -1, -1), prompt, cache) for rows in load.readings]
        forward = counter.take()
        if load.gradients:
            torch.autograd.backward([part.float().sum() for part in states])
    return Operations(forward, counter.take())


def count_vision(model: Any, pictures: Any, load: Workload, learns: bool) -> tuple[Tensor, int, int]:
    """Features [n,D] of one picture, and the operations of forward and, where the tower ``learns``, backward pass."""

    def run(base: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, int, int]:
        with counted(load.autocast) as counter, torch.set_grad_enabled(learns):
            features = flat(base.get_image_features(**inputs, return_dict=True).pooler_output)
            forward = counter.take()
            if features.requires_grad:
                torch.autograd.backward(features.float().sum())
            return features, forward, counter.take()

    return with_picture(model, pictures, load, run)


def text_tokens(folder: str, config: BackboneConfig) -> int:
    """Tokens of the prompt around the picture's own, by the folder's tokenizer and template; about 48 where it has none."""
    content = [{"type": "image"}, {"type": "text", "text": config.question or QUESTION}]
    try:
        processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
        text = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        return len(processor.tokenizer(text, add_special_tokens=False)["input_ids"]) - 1
    except (OSError, ValueError, AttributeError, ImportError, EmosymError):
        return PROMPT_TOKENS
