"""Judges kept apart: what measures Emo-A has rewarded or selected nothing; and judges that the run itself teaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emosym_registry import EmosymError, RegisteredComponent

from emosym.contracts import Dataset, Judge

WITHIN_RUN = "within-run"
"""The capability of judges that a run teaches: they have seen no more labels than its learner."""


def teach(
    judges: Mapping[str, Judge], offers: Mapping[str, RegisteredComponent], dataset: Dataset[Any]
) -> None:
    """Let judges that are taught within a run learn from its labelled training pictures."""
    for role, judge in judges.items():
        if WITHIN_RUN in offers[role].spec.capabilities:
            judge.learn([sample for sample in dataset.split("train") if sample.label is not None])


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
