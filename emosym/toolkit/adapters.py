"""Adapters' tensors: whether saved ones belong to the layers that a model has them on, and their loading."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import torch
from emosym_registry import EmosymError
from torch import Tensor, nn


def load_state(own: Mapping[str, nn.Parameter], state: Mapping[str, Tensor], kind: str) -> None:
    """Copy ``state`` into ``own``; other targets, tensors or shapes are ``KIND.adapter-mismatch`` and change nothing."""
    wrong = differences(own, state)
    if wrong:
        raise EmosymError(
            f"{kind}.adapter-mismatch",
            f"the saved adapter of the {kind} does not fit: {wrong}",
            hint="use the model, the adapter settings (type, rank, targets) and the library versions it was trained with",
        )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(state[name])


def differences(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """What keeps ``state`` from being loaded into ``own``, in one line; empty where it fits.

    The names of the saved tensors are the record of the layers that were matched when they were trained.
    """
    here, saved = ({_layer(name) for name in names} for names in (own, state))
    shared = here & saved
    return "; ".join(
        (
            *_listed("layers matched no more:", saved - here),
            *_listed("layers newly matched:", here - saved),
            *_listed("missing", [name for name in own if name not in state and _layer(name) in shared]),
            *_listed("unexpected", [name for name in state if name not in own and _layer(name) in shared]),
            *_listed(
                "of another shape",
                [name for name in own if name in state and own[name].shape != state[name].shape],
            ),
        )
    )


def _layer(name: str) -> str:
    return name.partition(".lora_")[0]


def _listed(what: str, names: Iterable[str]) -> list[str]:
    """All ``names`` in one phrase: those that differ in the number of their layer alone are one entry."""
    kinds = Counter(re.sub(r"\.\d+(?=\.)", ".*", name) for name in sorted(names))
    entries = (f"{kind} ({count} times)" if count > 1 else kind for kind, count in kinds.items())
    return [f"{what} {', '.join(entries)}"] if kinds else []
