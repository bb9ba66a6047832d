"""A correct judge, and one broken judge for each check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from emosym_registry import EmosymError
from PIL import Image
from torch import Tensor, nn

from emosym.contracts import MIKELS_8, Context, Sample
from emosym.testing import JudgeSuite, ProjectionConfig, ProjectionJudge


class Config(ProjectionConfig):
    """Parameters of the judges below."""


class Right(ProjectionJudge):
    """A fixed projection of the pixels to the eight emotions, whose columns it picks by name."""

    def __init__(self, config: Config, context: Context) -> None:
        unknown = set(context.labels.names) - set(MIKELS_8)
        if unknown:
            raise EmosymError("judge.labels-do-not-fit", f"unknown emotions: {sorted(unknown)}")
        super().__init__(config, context)
        self.columns = [MIKELS_8.index(name) for name in context.labels.names]

    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        return (self.features(images) @ self.weight[:, self.columns]).softmax(-1)


class Scores(Right):
    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        return super().probabilities(images) * 2


class Ragged(Right):
    def features(self, images: Sequence[Image.Image]) -> Tensor:
        return super().features(images)[:, : 192 - len(images)]


class Learning(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.bias = nn.Parameter(torch.zeros(len(context.labels)))


class Relative(Right):
    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        features = super().features(images)
        return ((features - features.mean(0)) @ self.weight[:, self.columns]).softmax(-1)


class Blind(Right):
    def features(self, images: Sequence[Image.Image]) -> Tensor:
        return torch.ones(len(images), 192)


class Strict(Right):
    def features(self, images: Sequence[Image.Image]) -> Tensor:
        if any(image.mode != "RGB" for image in images):
            raise ValueError("only RGB")
        return super().features(images)


class OwnOrder(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.columns = list(range(len(MIKELS_8)))


class Unfitting(ProjectionJudge):
    """Judges anything."""


class Unstable(Right):
    made = 0

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        Unstable.made += 1
        self.number = Unstable.made

    @property
    def identity(self) -> str:
        return f"judge-{self.number}"


class Named(Right):
    @property
    def identity(self) -> str:
        return "the-judge"


class HeadOnly(Right):
    """Hashes its last layer, though the layers below decide as much."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.register_buffer("shift", torch.zeros(len(self.weight)))

    def features(self, images: Sequence[Image.Image]) -> Tensor:
        return super().features(images) + self.shift


class Chatty(Right):
    def attributes(self, images: Sequence[Image.Image]) -> list[Mapping[str, str]]:
        return [{"scene": "beach"}]


class Drawing(Right):
    def features(self, images: Sequence[Image.Image]) -> Tensor:
        torch.rand(1)
        return super().features(images)


class Inattentive(Right):
    """Judges as it did before the lesson."""

    taught = False

    def learn(self, samples: Sequence[Sample]) -> None:
        self.taught = True

    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        if not self.taught:
            raise EmosymError("judge.untaught", "nobody has taught it")
        return super().probabilities(images)


def suite(judge: type[Any], **parts: Any) -> type[JudgeSuite]:
    """The suite of one judge."""
    return type(judge.__name__, (JudgeSuite,), {"implementation": judge, "config": Config, **parts})


GOOD = suite(Right)
BROKEN = {
    "judge.probabilities": suite(Scores),
    "judge.features": suite(Ragged),
    "judge.frozen": suite(Learning),
    "judge.batch": suite(Relative),
    "judge.sees": suite(Blind),
    "judge.any-picture": suite(Strict),
    "judge.label-order": suite(OwnOrder),
    "judge.labels-fit": suite(Unfitting),
    "judge.identity": suite(Unstable),
    "judge.identity-of-weights": suite(Named),
    "judge.learns": suite(Inattentive, within_run=True),
    "judge.attributes": suite(Chatty),
    "judge.random-state": suite(Drawing),
}
ALSO_BROKEN = (("judge.identity-of-weights", suite(HeadOnly)),)
