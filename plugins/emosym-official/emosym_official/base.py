"""What else lies beside tokens and head: the authors' code saves the frozen base model with them, and more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from emosym_official.names import part_of_model, plain
from emosym_official.pieces import OWN

SET_ASIDE = {
    "rf_model": "the frozen reference model of stage 2",
    "con_head": "the knowledge projection of stage 1",
    "text_encoder": "the frozen CLIP text encoder of stage 1",
    "lm_head": "the base model's output layer, which reads no emotion",
}
"""First part of a name, and what it is: nothing that a system needs to understand or generate."""


@dataclass
class Remainder:
    """Tensors beside tokens and head. ``aside`` counts those not needed by what they are; ``same`` counts those equal to
    the base's own; ``problems`` and ``notes`` are for people."""

    aside: dict[str, int] = field(default_factory=dict)
    same: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def sort_out(stored: Mapping[str, Tensor], base: Iterable[tuple[str, Tensor]], file: str) -> Remainder:
    """Every tensor of ``stored`` (by plain name) beside tokens and head: known and not needed, the base's own, or a
    problem.

    A copy of the base that differs from ``base`` says that the adapter was trained on another model. The vision tower
    is the exception: the authors' own loading drops its copy, so ours does too, with a note.
    """
    own = {plain(name): tensor for name, tensor in base}
    result = Remainder()
    other: list[str] = []
    vision: list[str] = []
    foreign: list[str] = []
    for name, tensor in stored.items():
        if name in OWN:
            continue
        if (what := SET_ASIDE.get(name.partition(".")[0])) is not None:
            result.aside[what] = result.aside.get(what, 0) + 1
        elif name not in own:
            foreign.append(name)
        elif equal(tensor, own[name]):
            result.same += 1
        else:
            (other if part_of_model(name) == "language" else vision).append(name)
    if other:
        result.problems.append(
            f"{file}: {listed(other)} differ from the base model: the adapter was trained on another one"
        )
    if foreign:
        result.problems.append(f"{file}: {listed(foreign)} have no place in a system")
    if vision:
        result.notes.append(
            f"{file}: {listed(vision)} differ from the base model and are not read: the authors' own loading leaves them out"
        )
    return result


def equal(saved: Tensor, own: Tensor) -> bool:
    """Whether two tensors are the same in the coarser of their two precisions; quantised ones are taken as equal."""
    if not (saved.is_floating_point() and own.is_floating_point()):
        return True
    if saved.shape != own.shape:
        return False
    coarse = max(saved.dtype, own.dtype, key=lambda dtype: torch.finfo(dtype).eps)
    return torch.equal(saved.to(coarse), own.detach().cpu().to(coarse))


def listed(names: list[str]) -> str:
    """The first names and the number of the others."""
    shown = ", ".join(sorted(names)[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
