"""Fitting the labels of a classifier to the labels of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import MIKELS_8, POSITIVE, LabelSet


@dataclass(frozen=True)
class Selection:
    """Which logits of a classifier are emotions, and which label of the run each of them counts for."""

    columns: tuple[int, ...]
    owners: tuple[int, ...]
    classes: int

    def probabilities(self, logits: Tensor) -> Tensor:
        """[B,C]: softmax over the chosen logits [B,N], summed for each label of the run."""
        chosen = logits.float()[:, list(self.columns)].softmax(-1)
        owners = torch.tensor(self.owners, device=logits.device)
        return torch.zeros(len(logits), self.classes, device=logits.device).index_add_(1, owners, chosen)


def select(
    known: Sequence[str], labels: LabelSet, who: str, rename: Mapping[str, str] | None = None
) -> Selection:
    """The logits named as the run's labels; for the two labels negative and positive, all emotions that the
    classifier knows, by their sign. Names are compared without case. A label that is missing is an error."""
    renamed = {key.lower(): value for key, value in (rename or {}).items()}
    names = [renamed.get(name.lower(), name).lower() for name in known]
    wanted = [name.lower() for name in labels.names]
    if all(name in names for name in wanted):
        columns = tuple(names.index(name) for name in wanted)
        return Selection(columns, tuple(range(len(wanted))), len(wanted))
    emotions = {*MIKELS_8, *POSITIVE}
    if set(wanted) == {"negative", "positive"} and all(name in names for name in MIKELS_8):
        columns = tuple(i for i, name in enumerate(names) if name in emotions)
        signs = ["positive" if names[i] in POSITIVE else "negative" for i in columns]
        return Selection(columns, tuple(wanted.index(sign) for sign in signs), len(wanted))
    missing = [name for name in labels.names if name.lower() not in names]
    shown = ", ".join(name for name in known if ":" not in name)
    raise EmosymError(
        "judge.missing-labels",
        f"{who} does not know {', '.join(missing)}; it knows {shown[:400]}",
        hint="take a judge for these labels, or map its names with rename",
    )
