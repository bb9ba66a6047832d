"""Judges kept apart: what measures Emo-A has rewarded or selected nothing."""

from __future__ import annotations

from collections.abc import Mapping

from emosym_registry import EmosymError

from emosym.contracts import Judge


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
