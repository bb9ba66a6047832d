"""The explicit chain of thought: how a reason and an emotion are written as one turn, and read back.

A turn is ``REASON Emotion: NAME``. The baseline of ``reading: explicit`` learns it in compress
(:mod:`emosym.stages.explicit`) and writes it where the latent way reads the state of [EMO].
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from emosym.contracts import Backbone, Sample

CUE = "Emotion:"
"""What stands between the reason and the emotion."""


def turn_of(reason: str | None, emotion: str | None) -> tuple[str, str]:
    """The reason with its cue, and the answer; what is not known is empty. Without a reason the cue is the answer's."""
    answer = f" {emotion}" if emotion is not None else ""
    if reason:
        return f"{reason.strip()} {CUE}", answer
    return "", f"{CUE}{answer}" if answer else ""


def answers_of(names: Sequence[str]) -> list[str]:
    """The emotions as they are written behind the cue."""
    return [f" {name}" for name in names]


def written(
    backbone: Backbone, samples: Sequence[Sample], names: Sequence[str], most: int
) -> tuple[Tensor, list[str]]:
    """Probabilities [B,C] of the emotions, by the model's own of each name after the reason that it wrote in at most
    ``most`` tokens, normalised over the names; and the reasons."""
    conclusion = backbone.conclude(samples, CUE, answers_of(names), most)
    return conclusion.log_probabilities.float().softmax(-1), list(conclusion.texts)
