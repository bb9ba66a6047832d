"""In what precision a head's weights are, and on which devices its parts lie."""

from __future__ import annotations

import torch
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from torch import nn

from emosym.contracts import Context
from emosym_diffusion.config import DiffusionConfig

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_dtype(config: DiffusionConfig, context: Context) -> torch.dtype:
    """The config's precision, else the run's, else float32."""
    return _DTYPES[config.dtype] if config.dtype != "auto" else context.dtype or torch.float32


def place(config: DiffusionConfig, context: Context, parts: dict[str, nn.Module]) -> None:
    """Move ``parts`` (by the names of the config's ``device_map``) to their devices, the others to the run's.

    Errors: ``diffusion.no-device``.
    """
    named = config.device_map or {}
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
        raise EmosymError(
            "diffusion.no-device",
            f"device_map: {part} cannot lie on {name!r}: {first_line(error)}",
            hint=f"devices here: {', '.join(['cpu', *(f'cuda:{i}' for i in range(torch.cuda.device_count()))])}",
        ) from error
    return device
