"""Low-rank adapters by PEFT, on and off a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from peft import PeftConfig
    from peft.tuners.tuners_utils import BaseTunerLayer


def attach_lora(model: nn.Module, config: PeftConfig, seed: int) -> list[str]:
    """Put an adapter on the layers that ``config`` targets and return their names; nothing else of ``model``
    trains.

    Its first weights depend on ``seed`` alone. It is float32: updates of a half-precision adapter drown in
    rounding, and PEFT casts around it. PEFT's ``ValueError`` for targets that fit nothing is the caller's to
    explain.
    """
    from peft import inject_adapter_in_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)
    model.requires_grad_(False)
    for name, parameter in model.named_parameters():
        if ".lora_" in name:
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)
    return list(_adapted(model))


def _adapted(model: nn.Module) -> dict[str, BaseTunerLayer]:
    """The layers of a model that have an adapter, by name."""
    if "peft" not in sys.modules:  # whoever put one there has imported it, which takes a second
        return {}
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: part for name, part in model.named_modules() if isinstance(part, BaseTunerLayer)}


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """Inside, ``model`` computes as if it had no adapter; whether these train stays as it is."""
    # PEFT's own switch also turns off the gradients of the adapters, and turns on all of them afterwards.
    on = [part for part in _adapted(model).values() if not part.disable_adapters]
    for part in on:
        part._disable_adapters = True
    try:
        yield
    finally:
        for part in on:
            part._disable_adapters = False


def detach_lora(model: nn.Module, *, merge: bool) -> None:
    """Put the plain layers back, with what the adapter learnt where ``merge`` is set."""
    for name, module in _adapted(model).items():
        if merge:
            module.merge(safe_merge=True)
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, module.get_base_layer())
    if hasattr(model, "peft_config"):
        del model.peft_config
