"""A LoRA on the UNet, through diffusers and PEFT."""

from __future__ import annotations

from typing import Any

import torch
from emosym_registry import EmosymError
from peft import LoraConfig
from torch import Tensor, nn

from emosym_diffusion.config import UnetLora

_MARK = "lora_"


def add(unet: Any, config: UnetLora, seed: int) -> None:
    """Add the adapter; its start is drawn from ``seed`` and changes no prediction. It trains in float32."""
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.rank if config.alpha is None else config.alpha,
        init_lora_weights="gaussian",
        target_modules=list(config.targets),
    )
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            unet.add_adapter(lora)
    except ValueError as error:
        raise EmosymError(
            "diffusion.bad-lora-targets",
            f"unet_lora.targets {list(config.targets)} fit no layer of the UNet: {error}",
            hint='"to_q", "to_k", "to_v" and "to_out.0" are its attention layers',
        ) from error
    for parameter in parameters(unet).values():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)


def parameters(unet: nn.Module) -> dict[str, nn.Parameter]:
    """The adapter's parameters by name; empty without one."""
    return {name: parameter for name, parameter in unet.named_parameters() if _MARK in name}


def base_state(module: nn.Module) -> dict[str, Tensor]:
    """Every tensor but the adapter's, under the names they have without an adapter."""
    return {
        name.replace(".base_layer", ""): value
        for name, value in module.state_dict().items()
        if _MARK not in name
    }
