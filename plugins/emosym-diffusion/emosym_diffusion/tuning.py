"""Speed and memory of a head: how it attends, what it recomputes, what is compiled. No setting changes what is computed,
up to rounding, but VAE tiling, which blends the seams of its tiles."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor
from emosym_registry import EmosymError
from emosym_registry.errors import first_line

from emosym_diffusion.config import DiffusionConfig


def tune(unet: Any, vae: Any, config: DiffusionConfig) -> None:
    """Do what the config asks for. Errors: ``diffusion.no-xformers``."""
    unet.to(memory_format=torch.channels_last)
    vae.to(memory_format=torch.channels_last)
    set_attention(unet, config.attention)
    if config.vae_slicing:
        vae.enable_slicing()
    if config.vae_tiling:
        vae.enable_tiling()
    if config.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    if config.compile:
        unet.compile()


def set_attention(unet: Any, kind: str) -> None:
    """Choose how the UNet attends; xformers where it is not installed or has no kernel is an error."""
    if kind == "sdpa":
        return
    if kind == "plain":
        unet.set_attn_processor(AttnProcessor())
        return
    try:
        unet.enable_xformers_memory_efficient_attention()
    except (ImportError, ValueError, NotImplementedError) as error:
        raise EmosymError(
            "diffusion.no-xformers",
            f"attention: xformers cannot be used here: {first_line(error)}",
            hint="pip install 'emosym[xformers]' on a machine with an NVIDIA card, or write attention: sdpa",
        ) from error
