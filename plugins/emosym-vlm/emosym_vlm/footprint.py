"""What a backbone occupies, measured on the meta device: shapes without values, so any size fits anywhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    DynamicCache,
)

from emosym.contracts import Context, Footprint, Workload
from emosym.toolkit import LikeCuda, known_folder, metered
from emosym_vlm import adapter
from emosym_vlm.config import BackboneConfig
from emosym_vlm.loading import dtype_of
from emosym_vlm.prefix import can_share, continued
from emosym_vlm.processor import limit_pixels
from emosym_vlm.reader import flat

T = TypeVar("T")
SIZES = Path(__file__).parent / "sizes"
KNOWN = {
    "Qwen/Qwen2-VL-2B-Instruct": SIZES / "qwen2-vl-2b",
    "Qwen/Qwen2-VL-7B-Instruct": SIZES / "qwen2-vl-7b",
    "Qwen/Qwen2.5-VL-3B-Instruct": SIZES / "qwen2.5-vl-3b",
    "llava-hf/llava-1.5-7b-hf": SIZES / "llava-1.5-7b",
}
"""Hub ids whose configs are written down here, in folders like the hub's but without weights."""
PROMPT_TOKENS = 48
"""Text around the image: chat template and question take 30 to 45 tokens in the families we know."""

_BITS = {"nf4": 4 + 8 / 64 + 32 / (64 * 256), "int8": 8}
"""Bits of a quantized weight. NF4: a byte of scale for 64 weights, a float for 256 scales (Dettmers et al.
2023)."""


def measure(config: BackboneConfig, context: Context, load: Workload) -> Footprint | None:
    """What one step takes; None where the model is neither a folder, nor in the local cache, nor known."""
    opened = open_known(config, context)
    if opened is None:
        return None
    _, model, pictures = opened
    local = Path(context.model_path(config.model)).is_dir()
    base = sum(parameter.numel() for parameter in model.parameters())
    weights = weight_bytes(model, config)
    details = {
        "hidden_size": model.config.get_text_config(decoder=True).hidden_size,
        "kv_bytes_per_token": kv_bytes_per_token(model),
        **{f"{part}_layers": len(names) for part, names in adapter.linear_layers(model).items()},
    }
    load, checkpointing = set_up(model, config, context, load)
    tokens, vision_held, vision_peak = measure_vision(
        model, pictures, load, load.learns and config.adapts_vision
    )
    held, peak = measure_language(model, tokens + PROMPT_TOKENS, load)
    seen = load.samples * (1 if load.shared else max(load.readings))
    return Footprint(
        source=config.model if local else f"{config.model}, as published",
        parameters=base,
        trainable=sum(parameter.numel() for parameter in adapter.parameters(model).values()),
        weight_bytes=weights,
        held_bytes=held + seen * vision_held,
        peak_bytes=max(peak + seen * vision_held, seen * vision_peak),
        checkpointing=checkpointing,
        details={**details, "image_tokens": tokens},
    )


def open_known(config: BackboneConfig, context: Context) -> tuple[str, Any, Any] | None:
    """The folder of a model's configs, its skeleton and its image processor; None where none is at hand."""
    path = context.model_path(config.model)
    folder = path if Path(path).is_dir() else str(known_folder(path, KNOWN) or path)
    try:
        model = skeleton(folder, config, context)
        pictures = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError):
        return None
    limit_pixels(SimpleNamespace(image_processor=pictures), config)
    return folder, model, pictures


def skeleton(folder: str, config: BackboneConfig, context: Context) -> Any:
    """The model of a folder's config.json on the meta device."""
    # Flash attention of a package keeps what torch's own fused kernels keep, and needs not be installed here.
    attention = "sdpa" if config.attention.startswith("flash") else config.attention
    declared = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        model: Any = AutoModelForImageTextToText.from_config(
            declared, dtype=dtype_of(config, context), attn_implementation=attention
        )
    return model.requires_grad_(False)


def weight_bytes(model: Any, config: BackboneConfig) -> int:
    """Bytes of the frozen weights; of quantized ones with their scales."""
    linear = {
        id(layer.weight)
        for layer in model.modules()
        if isinstance(layer, nn.Linear) and layer is not model.get_output_embeddings()
    }
    bits = _BITS.get(config.quantization)
    return sum(
        int(one.numel() * bits / 8) if bits and id(one) in linear else one.numel() * one.element_size()
        for one in model.parameters()
    )


def kv_bytes_per_token(model: Any) -> int:
    """Keys and values of all layers for one token."""
    text = model.config.get_text_config(decoder=True)
    cache: Any = DynamicCache(config=text)
    with torch.no_grad(), torch.device("meta"):
        embeds = torch.zeros(1, 1, text.hidden_size, dtype=model.dtype)
        model.get_decoder()(inputs_embeds=embeds, past_key_values=cache, use_cache=True)
    return sum(
        states.numel() * states.element_size()
        for layer in cache.layers
        for states in (layer.keys, layer.values)
    )


def set_up(
    model: Any, config: BackboneConfig, context: Context, load: Workload, *, fused: bool = True
) -> tuple[Workload, bool]:
    """Attach the adapters and set the modes of a stage. Gives the load as this model takes it, whose prompt is apart where
    nothing before the tokens learns, and whether activations are recomputed, with attention ``fused`` or not."""
    apart = config.training != "lora" and can_share(model.config.get_text_config(decoder=True))
    load = replace(load, shared=load.shared or apart)
    wanted = config.gradient_checkpointing if load.checkpointing is None else load.checkpointing
    checkpointing = wanted and not load.shared
    if config.training != "frozen":
        with torch.device("meta"):
            adapter.attach(model, config.adapter, context.seed)
    for parameter in adapter.parameters(model).values():
        parameter.requires_grad_(load.learns and load.gradients)
        # Gradients are counted with the optimiser; where there is one already, the pass adds to it in place.
        parameter.grad = torch.empty_like(parameter)
    if checkpointing:
        model.activation_checkpointing_enable(LikeCuda(load.autocast, fused).checkpointing())
    model.train(load.learns and load.gradients)
    return load, checkpointing


def measure_vision(model: Any, pictures: Any, load: Workload, learns: bool) -> tuple[int, int, int]:
    """Of one picture: its image tokens, what is held for the backward pass, and the peak."""
    gradients = learns and load.gradients
    return with_picture(
        model, pictures, load, lambda base, inputs: _measure_features(base, inputs, load, gradients)
    )


def with_picture(model: Any, pictures: Any, load: Workload, run: Callable[[Any, Mapping[str, Any]], T]) -> T:
    """What ``run`` gives for the model's base and what its vision tower takes of one picture."""
    given = pictures(images=[Image.new("RGB", load.image)], return_tensors="pt")
    takes = inspect.signature(model.base_model.get_image_features).parameters
    inputs = {name: value for name, value in given.items() if name in takes}
    try:
        # Grids are read as numbers, so they stay on the CPU; only what goes through layers has no values.
        bare = {
            name: value.to("meta") if value.is_floating_point() else value for name, value in inputs.items()
        }
        return run(model.base_model, bare)
    except (RuntimeError, NotImplementedError):
        # Some families look at the values of an image or its mask: these see one, by meaningless weights.
        for part in model.base_model.children():
            if part is not model.get_decoder():
                part.to_empty(device="cpu")
        return run(model.base_model, inputs)


def _measure_features(
    base: Any, inputs: Mapping[str, Any], load: Workload, gradients: bool
) -> tuple[int, int, int]:
    with metered(load.autocast) as meter, torch.set_grad_enabled(gradients):
        features = flat(base.get_image_features(**inputs, return_dict=True).pooler_output)
        held = meter.now
        if features.requires_grad:
            torch.autograd.backward(features.float().sum())
    return len(features), held if gradients else 0, meter.peak


def measure_language(model: Any, prompt: int, load: Workload) -> tuple[int, int]:
    """Held bytes and peak of all passes of a step over ``prompt`` tokens and the reasoning tokens."""
    width = model.config.get_text_config(decoder=True).hidden_size
    with metered(load.autocast) as meter, torch.device("meta"), torch.set_grad_enabled(load.gradients):
        tokens = torch.zeros(load.tokens, width, requires_grad=load.gradients)
        cache = encode(model, load.samples, prompt, width) if load.shared else None
        states = [
            read(model, tokens.expand(load.samples * count, -1, -1), prompt, cache) for count in load.readings
        ]
        held = meter.now
        if load.gradients:
            torch.autograd.backward([part.float().sum() for part in states])
    return held, meter.peak


@torch.no_grad()
def encode(model: Any, batch: int, prompt: int, width: int) -> DynamicCache:
    """The cache of prompts [batch, prompt, width], without a graph."""
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    embeds = torch.zeros(batch, prompt, width, dtype=model.dtype)
    _decode(model, embeds, prompt, past_key_values=cache, use_cache=True)
    return cache


def read(model: Any, tokens: Tensor, prompt: int, cache: DynamicCache | None) -> Tensor:
    """States of ``tokens`` [R,T,D] after a cached prompt, or at the end of one that goes along."""
    rows, count, width = tokens.shape
    if cache is not None:
        options = {"past_key_values": continued(cache), "use_cache": True}
        return _decode(model, tokens.to(model.dtype), prompt + count, **options)
    embeds = torch.zeros(rows, prompt + count, width, dtype=model.dtype)
    slots = torch.arange(rows)[:, None], torch.arange(prompt, prompt + count)[None]
    embeds = embeds.index_put(slots, tokens.to(model.dtype))
    return _decode(model, embeds, prompt + count, use_cache=False)[:, -count:]


def _decode(model: Any, embeds: Tensor, length: int, **options: Any) -> Tensor:
    """The decoder's states, under the mask of a batch with padding, as one of different images has."""
    rows, count = embeds.shape[:2]
    axes = (3,) if hasattr(model.base_model, "get_rope_index") else ()
    states: Tensor = model.get_decoder()(
        inputs_embeds=embeds,
        attention_mask=torch.ones(rows, 1, count, length, dtype=torch.bool),
        position_ids=torch.zeros(*axes, rows, count, dtype=torch.long),
        **options,
    ).last_hidden_state
    return states
