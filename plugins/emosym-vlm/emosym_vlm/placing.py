"""Where a model's weights lie and in what format: device maps, 4-bit and 8-bit loading."""

from __future__ import annotations

from typing import Any

import torch
from emosym_registry import EmosymError
from transformers import BitsAndBytesConfig, PreTrainedModel
from transformers.utils.import_utils import is_bitsandbytes_available

from emosym.contracts import Context
from emosym_vlm.config import BackboneConfig

_BLOCK = 64
"""Values that share a scale, bitsandbytes' own default."""


def is_placed(config: BackboneConfig) -> bool:
    """Whether loading decides where the weights lie, so that nothing may move them afterwards."""
    return config.device_map is not None or config.quantization != "none"


def placement(config: BackboneConfig, context: Context, dtype: torch.dtype) -> dict[str, Any]:
    """What ``from_pretrained`` is told of devices and formats; nothing where the model is moved as a whole.

    Errors: ``backbone.no-bitsandbytes``, ``backbone.offloaded``.
    """
    options: dict[str, Any] = {}
    if isinstance(config.device_map, dict) and "disk" in config.device_map.values():
        away = [part for part, device in config.device_map.items() if device == "disk"]
        raise _offloaded(config.model, [part or "the whole model" for part in away])
    if is_placed(config):
        options["device_map"] = config.device_map or {"": str(context.device or "cpu")}
    if config.quantization != "none":
        options["quantization_config"] = _quantization(config.quantization, dtype)
    return options


def _quantization(kind: str, dtype: torch.dtype) -> BitsAndBytesConfig:
    if not is_bitsandbytes_available():
        raise EmosymError(
            "backbone.no-bitsandbytes",
            f"quantization {kind} is done by bitsandbytes, which is not installed",
            hint="pip install 'emosym-vlm[4bit]', or set backbone.params.quantization=none",
        )
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    # As QLoRA (Dettmers et al. 2023): normal floats, the scales quantised again, products in the run's dtype.
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def check_on_device(model: PreTrainedModel, name: str) -> None:
    """Refuse a map that leaves weights on disk or swaps them: they cannot be trained or fingerprinted."""
    away = [key for key, parameter in model.named_parameters() if parameter.device.type == "meta"]
    if away:
        raise _offloaded(name, away)


def _offloaded(name: str, away: list[str]) -> EmosymError:
    return EmosymError(
        "backbone.offloaded",
        f"{name}: {len(away)} parts, such as {away[0]}, have no place on the devices of the device map",
        hint="use more or larger devices, quantization=nf4, or a smaller model",
    )


def settle(model: PreTrainedModel, name: str) -> None:
    """Make 4-bit layers on a CPU sound, where bitsandbytes has two ways of its own.

    It repacks weights in place at their first reading, after which prefixes are stale and no gradient passes;
    that is turned off. And it rounds rows wrongly whose width is no multiple of its blocks (measured with
    0.50); those are refused: ``backbone.nf4-on-cpu``.
    """
    layers = {
        key: layer for key, layer in model.named_modules() if hasattr(layer, "support_avx512bf16_for_cpu")
    }
    odd = [
        f"{key} ({layer.in_features})"
        for key, layer in layers.items()
        if layer.weight.device.type == "cpu" and layer.in_features % _BLOCK
    ]
    if odd:
        raise EmosymError(
            "backbone.nf4-on-cpu",
            f"{name}: on a CPU, bitsandbytes packs widths that are multiples of {_BLOCK}; "
            f"{len(odd)} layers have others, such as {odd[0]}",
            hint="use a GPU, quantization=int8, or quantization=none",
        )
    for layer in layers.values():
        layer.support_avx512bf16_for_cpu = False
