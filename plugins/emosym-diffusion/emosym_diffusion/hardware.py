"""Where a head's parts lie, how it attends, what it recomputes, what is compiled. No setting changes what is
computed, up to rounding, but VAE tiling, which blends the seams of its tiles."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from torch import nn

from emosym.contracts import Context
from emosym_diffusion.config import DiffusionConfig

PLAIN_WIDTH = 32
"""Width of latents up to which a CPU attends by plain matrix products; their attention maps grow with its fourth power."""


def tune(unet: Any, vae: Any, config: DiffusionConfig, device: torch.device | None) -> None:
    """Do what the config asks for. Errors: ``diffusion.no-xformers``."""
    unet.to(memory_format=torch.channels_last)
    vae.to(memory_format=torch.channels_last)
    set_attention(unet, config.attention, device)
    save_memory(vae, config)
    if config.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    if config.compile:
        unet.compile()


def save_memory(vae: Any, config: DiffusionConfig) -> None:
    """Let the autoencoder work picture by picture or tile by tile, as the config asks."""
    if config.vae_slicing:
        vae.enable_slicing()
    if config.vae_tiling:
        vae.enable_tiling()


def set_attention(unet: Any, kind: str, device: torch.device | None = None) -> None:
    """Choose how the UNet attends; xformers where it is not installed or has no kernel is an error."""
    if kind == "auto":
        on_cpu = device is None or device.type == "cpu"
        size = unet.config.sample_size
        width = size if isinstance(size, int) else max(size)
        kind = "plain" if on_cpu and width <= PLAIN_WIDTH else "sdpa"
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
            hint="pip install 'emosym-diffusion[xformers]' on a machine with an NVIDIA card, or write attention: sdpa",
        ) from error


def place(config: DiffusionConfig, context: Context, parts: dict[str, nn.Module]) -> None:
    """Move ``parts`` (by the names of the config's ``device_map``) to their devices, the others to the run's.

    Errors: ``diffusion.no-device``.
    """
    named: dict[Any, int | str] = dict(config.device_map or {})
    for name, module in parts.items():
        if name in named:
            module.to(_device(name, named[name]))
        elif context.device is not None:
            module.to(context.device)


def _device(part: str, name: int | str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        here = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        raise EmosymError(
            "diffusion.no-device",
            f"device_map: {part} cannot lie on {name!r}: {first_line(error)}",
            hint=f"devices here: {', '.join(here)}",
        ) from error
    return device
