"""A LoRA on the UNet."""

from __future__ import annotations

from collections.abc import Sequence

from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from torch import Tensor, nn

from emosym.toolkit import attach_lora
from emosym_diffusion.config import UnetLora

_MARK = "lora_"


def add(unet: nn.Module, config: UnetLora, seed: int) -> list[str]:
    """Add the adapter and return the names of the layers it is on.

    Its start is drawn from ``seed`` and changes no prediction; it trains in float32. Errors:
    ``diffusion.bad-lora-targets``.
    """
    from peft import LoraConfig  # takes a second, which a denoiser without adapters need not wait for

    _check_targets(unet, config.targets)
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.rank if config.alpha is None else config.alpha,  # type: ignore[arg-type]
        init_lora_weights="gaussian",
        target_modules=list(config.targets),
    )
    try:
        return attach_lora(unet, lora, seed)
    except ValueError as error:
        raise _bad_targets(first_line(error)) from error


def _check_targets(unet: nn.Module, targets: Sequence[str]) -> None:
    """PEFT is content when one of them fits; a word that fits nothing is a slip of the pen all the same."""
    names = [name for name, _ in unet.named_modules()]
    lost = [t for t in targets if not any(name == t or name.endswith(f".{t}") for name in names)]
    if lost:
        raise _bad_targets(f"no layer of the UNet is called {', '.join(lost)}")


def _bad_targets(what: str) -> EmosymError:
    return EmosymError(
        "diffusion.bad-lora-targets",
        f"unet_lora.targets: {what}",
        hint='"to_q", "to_k", "to_v" and "to_out.0" are its attention layers',
    )


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
