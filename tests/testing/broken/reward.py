"""A correct reward, and one broken reward for each check."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from emosym.contracts import ComponentConfig, RewardVerifier, Rollouts, Sample
from emosym.testing import RewardSuite


class Config(ComponentConfig):
    """Parameters of the rewards below."""

    scale: float = 1.0


class Right(RewardVerifier[Config]):
    """1 where the action is the annotated emotion."""

    needs: ClassVar[tuple[str, ...]] = ("labels",)

    def score(self, rollouts: Rollouts) -> Tensor:
        return (rollouts.actions == rollouts.labels[:, None]).float()


class Flat(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        return super().score(rollouts).mean(1)


class Loud(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        return super().score(rollouts) * 3 - 1


class Moody(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        return super().score(rollouts) * torch.rand(())


class Constant(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        return torch.ones(rollouts.actions.shape)


class FirstBest(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        place = torch.arange(len(rollouts.samples))[:, None]
        return super().score(rollouts) / (1 + place)


class Grabbing(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        scores = super().score(rollouts)
        rollouts.probabilities.zero_()
        return scores


class Repainting(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        for sample in rollouts.samples:
            sample.images[0].paste(0, (0, 0, 8, 8))
        return super().score(rollouts)


class Normalising(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        rollouts.states.emotion.div_(2)
        return super().score(rollouts)


class Surprised(Right):
    """Minus the entropy of each try's reading, as one writes it first; 0·log 0 is not a number."""

    range: ClassVar[tuple[float, float]] = (-3.0, 0.0)

    def score(self, rollouts: Rollouts) -> Tensor:
        return (rollouts.probabilities * rollouts.probabilities.log()).sum(-1)


class Drawing(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        torch.rand(1)
        return super().score(rollouts)


class DrawingInNumpy(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        np.random.rand()
        return super().score(rollouts)


class DrawingInPython(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        random.random()
        return super().score(rollouts)


class SelfSatisfied(Right):
    needs: ClassVar[tuple[str, ...]] = ()

    def score(self, rollouts: Rollouts) -> Tensor:
        return rollouts.probabilities.max(-1).values


class LastEmotion(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        return (rollouts.actions - rollouts.labels[:, None]).abs() / (1.0 + len(self.context.labels))

    def applies(self, samples: Sequence[Sample]) -> Tensor:
        return torch.ones(len(samples), dtype=torch.bool)


class Shares(Right):
    """Says of a sample how much of it can be scored."""

    def applies(self, samples: Sequence[Sample]) -> Tensor:
        return super().applies(samples).float()


class FirstOnly(Right):
    def applies(self, samples: Sequence[Sample]) -> Tensor:
        return torch.arange(len(samples)) == 0


class Assuming(Right):
    needs: ClassVar[tuple[str, ...]] = ("attributes",)
    attribute_keys: ClassVar[tuple[str, ...]] = ("brightness",)

    def score(self, rollouts: Rollouts) -> Tensor:
        dark = torch.tensor([sample.attributes.get("brightness", 0.0) < 0.5 for sample in rollouts.samples])
        return ((rollouts.actions >= 4) == dark[:, None]).float()

    def applies(self, samples: Sequence[Sample]) -> Tensor:
        return torch.ones(len(samples), dtype=torch.bool)


class Careless(Right):
    """Asks a judge that it does not need, by its own account."""

    def score(self, rollouts: Rollouts) -> Tensor:
        pictures = [sample.open()[0] for sample in rollouts.samples]
        judged = self.resources.judge.probabilities(pictures)
        return judged.gather(1, rollouts.actions)


class EightOnly(Right):
    def score(self, rollouts: Rollouts) -> Tensor:
        table = torch.eye(8)
        return table[rollouts.labels[:, None], rollouts.actions]


def suite(
    reward: type[Any], params: Mapping[str, Any] | None = None, component: str = ""
) -> type[RewardSuite]:
    """The suite of one reward."""
    parts = {"implementation": reward, "config": Config, "params": params or {}, "component": component}
    return type(reward.__name__, (RewardSuite,), parts)


GOOD = suite(Right)
BROKEN = {
    "reward.shape": suite(Flat),
    "reward.range": suite(Loud),
    "reward.deterministic": suite(Moody),
    "reward.spread": suite(Constant),
    "reward.order": suite(FirstBest),
    "reward.leaves-rollouts": suite(Grabbing),
    "reward.random-state": suite(Drawing),
    "reward.verifiable": suite(SelfSatisfied),
    "reward.applies": suite(Shares),
    "reward.unlabelled": suite(LastEmotion),
    "reward.unannotated": suite(Assuming),
    "reward.resources": suite(Careless),
    "reward.labels-fit": suite(EightOnly),
}
ALSO_BROKEN = (
    ("reward.applies", suite(FirstOnly)),
    ("reward.range", suite(Surprised)),
    ("reward.leaves-rollouts", suite(Repainting)),
    ("reward.leaves-rollouts", suite(Normalising)),
    ("reward.random-state", suite(DrawingInNumpy)),
    ("reward.random-state", suite(DrawingInPython)),
)
