"""A correct emotion space, and one broken space for each check."""

from __future__ import annotations

from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import ComponentConfig, Context, EmotionSpace, States
from emosym.testing import SIZES, EmotionSpaceSuite


class Config(ComponentConfig):
    """No parameters."""


class Right(EmotionSpace[Config]):
    """The mean and deviation of every feature, per class."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        shape = (len(context.labels), SIZES.context_tokens + 1, SIZES.hidden_size)
        self.register_buffer("mean", torch.full(shape, torch.nan))
        self.register_buffer("deviation", torch.full(shape, torch.nan))

    @torch.no_grad()
    def fit(self, states: States, labels: Tensor) -> None:
        members = [states.joined()[labels == label] for label in range(len(self.context.labels))]
        for name, rows in zip(self.context.labels.names, members, strict=True):
            if not len(rows):
                raise EmosymError("emotion-space.empty-class", f"no sample of {name}", hint="use more data")
        self.mean.copy_(torch.stack([rows.mean(0) for rows in members]))
        self.deviation.copy_(torch.stack([(rows - rows.mean(0)).square().mean(0).sqrt() for rows in members]))

    @torch.no_grad()
    def set_gaussians(self, mean: Tensor, std: Tensor) -> None:
        self.mean.copy_(mean)
        self.deviation.copy_(std)

    @torch.no_grad()
    def sample(self, mixture: Tensor, generator: torch.Generator) -> States:
        if bool(self.mean.isnan().any()):
            raise EmosymError("emotion-space.not-fitted", "nothing to draw from", hint="train unify first")
        mean, deviation = (torch.einsum("bc,ckd->bkd", mixture, one) for one in (self.mean, self.deviation))
        return States.split(mean + deviation * torch.randn(mean.shape, generator=generator))


class EmotionFirst(Right):
    def sample(self, mixture: Tensor, generator: torch.Generator) -> States:
        states = super().sample(mixture, generator)
        return States(states.emotion, states.context)


class KeepsGraph(Right):
    def fit(self, states: States, labels: Tensor) -> None:
        super().fit(states, labels)
        self.mean = self.mean + states.emotion.mean() * 0


class OwnNoise(Right):
    def sample(self, mixture: Tensor, generator: torch.Generator) -> States:
        return super().sample(mixture, torch.Generator().manual_seed(0))


class Shifted(Right):
    def sample(self, mixture: Tensor, generator: torch.Generator) -> States:
        return super().sample(mixture.roll(1, 1), generator)


class Frozen(Right):
    def fit(self, states: States, labels: Tensor) -> None:
        super().fit(states, labels)
        self.deviation.zero_()


class Winner(Right):
    def sample(self, mixture: Tensor, generator: torch.Generator) -> States:
        return super().sample(torch.eye(mixture.shape[1])[mixture.argmax(1)], generator)


class Careless(Right):
    @torch.no_grad()
    def fit(self, states: States, labels: Tensor) -> None:
        members = [states.joined()[labels == label] for label in range(len(self.context.labels))]
        self.mean.copy_(torch.stack([rows.mean(0) for rows in members]))
        self.deviation.copy_(torch.stack([(rows - rows.mean(0)).square().mean(0).sqrt() for rows in members]))


class TakesVariances(Right):
    def set_gaussians(self, mean: Tensor, std: Tensor) -> None:
        super().set_gaussians(mean, std.square())


class Averaging(Right):
    def fit(self, states: States, labels: Tensor) -> None:
        before = self.mean.clone()
        super().fit(states, labels)
        self.mean.copy_(torch.where(before.isnan(), self.mean, (before + self.mean) / 2))


class Unsaved(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.register_buffer("deviation", self.deviation, persistent=False)


class Zeros(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.mean.zero_()
        self.deviation.zero_()


def suite(space: type[Any]) -> type[EmotionSpaceSuite]:
    """The suite of one space."""
    return type(space.__name__, (EmotionSpaceSuite,), {"implementation": space, "config": Config})


GOOD = suite(Right)
BROKEN = {
    "emotion-space.shape": suite(EmotionFirst),
    "emotion-space.no-gradient": suite(KeepsGraph),
    "emotion-space.deterministic": suite(OwnNoise),
    "emotion-space.classes": suite(Shifted),
    "emotion-space.spread": suite(Frozen),
    "emotion-space.mixture": suite(Winner),
    "emotion-space.empty-class": suite(Careless),
    "emotion-space.set-gaussians": suite(TakesVariances),
    "emotion-space.refit": suite(Averaging),
    "emotion-space.round-trip": suite(Unsaved),
    "emotion-space.unfitted": suite(Zeros),
}
