"""What is asked of judges: that they give probabilities, and that what measures Emo-A rewarded or selected nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from emosym_registry import EmosymError, RegisteredComponent
from PIL import Image
from torch import Tensor

from emosym.contracts import Judge


def hold_to_probabilities(judge: Judge, offer: RegisteredComponent) -> None:
    """Refuse what ``judge`` gives where it is no distribution over the labels, whoever asks it:
    ``judge.no-probabilities``."""
    given, classes = judge.probabilities, len(judge.context.labels)

    def probabilities(images: Sequence[Image.Image]) -> Tensor:
        table = given(images)
        sums = table.float().sum(-1) if tuple(table.shape) == (len(images), classes) else None
        if sums is None or not bool(
            (table >= 0).all() and torch.isclose(sums, sums.new_ones(()), atol=1e-3).all()
        ):
            saw = (
                f"shape {list(table.shape)}" if sums is None else f"rows that sum to {float(sums.min()):.4g}"
            )
            raise EmosymError(
                "judge.no-probabilities",
                f"judge {offer.qualified} ({offer.plugin.package}) gives no probabilities [{len(images)},{classes}]: {saw}, "
                f"the smallest {float(table.min()) if table.numel() else 0:.4g}",
                hint=f"check its parameters; its author sees more with: emosym plugins check {offer.qualified}",
            )
        return table

    setattr(judge, "probabilities", probabilities)  # noqa: B010 - one method of one object


def refuse_shared_judge(judges: Mapping[str, Judge]) -> None:
    """The judge that measures must not be one that selected or rewarded, by weights and not by name alone."""
    evaluate = judges.get("evaluate")
    for role in ("reward", "bank"):
        other = judges.get(role)
        if evaluate is not None and other is not None and other.identity == evaluate.identity:
            raise EmosymError(
                "spec.shared-judge",
                f"judges.evaluate and judges.{role} have the same weights: figures would be measured by what selected the images",
                hint="give judges.evaluate another model",
            )
