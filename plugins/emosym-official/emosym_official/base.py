"""What lies beside tokens and head: the authors' code saves the frozen base model with them, and more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from emosym_registry.errors import some
from torch import Tensor

from emosym_official.names import part_of_model, plain

SET_ASIDE = {
    "rf_model": "the frozen reference model of stage 2",
    "con_head": "the knowledge projection of stage 1",
    "text_encoder": "the frozen CLIP text encoder of stage 1",
    "lm_head": "the base model's output layer, which reads no emotion",
}
"""First part of a name, and what it is: nothing that a system needs to understand or generate."""


@dataclass
class Remainder:
    """``aside`` counts tensors that are not needed by what they are, ``same`` those equal to the base's own;
    ``problems`` and ``notes`` are for people."""

    aside: Counter[str] = field(default_factory=Counter)
    same: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def sort_out(stored: Mapping[str, Tensor], base: Iterable[tuple[str, Tensor]], file: str) -> Remainder:
    """Each of ``stored`` (by plain name, without tokens and head): not needed, the base's own, or a problem.

    A copy of the base that differs from ``base`` says that the adapter was trained on another model. The
    vision tower is the exception: the authors' own loading drops its copy, so ours does too, with a note.
    """
    own = {plain(name): tensor for name, tensor in base}
    result = Remainder()
    foreign: list[str] = []
    language: list[str] = []
    vision: list[str] = []
    for name, tensor in stored.items():
        if (what := SET_ASIDE.get(name.partition(".")[0])) is not None:
            result.aside[what] += 1
        elif name not in own:
            foreign.append(name)
        elif equal(tensor, own[name]):
            result.same += 1
        else:
            (language if part_of_model(name) == "language" else vision).append(name)
    for names, lines, says in (
        (language, result.problems, "differ from the base model: the adapter was trained on another one"),
        (foreign, result.problems, "have no place in a system"),
        (vision, result.notes, "differ from the base model and are left out, as by the authors' own loading"),
    ):
        if names:
            lines.append(f"{file}: {some(sorted(names))} {says}")
    return result


def equal(saved: Tensor, own: Tensor) -> bool:
    """Whether two tensors are the same in the coarser of their precisions; quantised ones are taken as
    equal."""
    if not (saved.is_floating_point() and own.is_floating_point()):
        return True
    if saved.shape != own.shape:
        return False
    coarse = max(saved.dtype, own.dtype, key=lambda dtype: torch.finfo(dtype).eps)
    return torch.equal(saved.to(coarse), own.detach().cpu().to(coarse))
