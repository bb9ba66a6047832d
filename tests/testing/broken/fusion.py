"""A correct fusion, and one broken fusion for each check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emosym.contracts import ComponentConfig, Context, Fusion, States
from emosym.testing import FusionSuite


class Config(ComponentConfig):
    """Parameters of the fusions below."""

    vectors: int = 2


class Right(Fusion[Config]):
    """One linear layer a text encoder over the mean context and the emotion, both at unit scale."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.register_buffer("scale", torch.ones(2 * context.hidden_size))
        draw = torch.Generator().manual_seed(context.seed)
        shapes = [(2 * context.hidden_size, config.vectors * width) for width in context.token_widths]
        self.maps = nn.ParameterList(torch.randn(shape, generator=draw) / 8 for shape in shapes)

    @property
    def vectors(self) -> int:
        return self.config.vectors

    def calibrate(self, norms: Sequence[float], states: States) -> None:
        self.scale.copy_(self._joined(states).std(0).clamp_min(1e-3))

    def forward(self, states: States) -> tuple[Tensor, ...]:
        return self._mapped(self._joined(states) / self.scale)

    def _joined(self, states: States) -> Tensor:
        return torch.cat([states.context.mean(1), states.emotion], -1)

    def _mapped(self, both: Tensor) -> tuple[Tensor, ...]:
        return tuple((both @ one).unflatten(-1, (self.vectors, -1)) for one in self.maps)


class Swapped(Right):
    def forward(self, states: States) -> tuple[Tensor, ...]:
        return super().forward(states)[::-1]


class TwoEncodersOnly(Right):
    def forward(self, states: States) -> tuple[Tensor, ...]:
        vectors = super().forward(states)
        return vectors[0], vectors[-1]


class DeadMap(Right):
    def _mapped(self, both: Tensor) -> tuple[Tensor, ...]:
        first, *others = self.maps
        return tuple(
            (both @ one).unflatten(-1, (self.vectors, -1))
            for one in (first, *(other.data for other in others))
        )


class CutOff(Right):
    def forward(self, states: States) -> tuple[Tensor, ...]:
        return super().forward(States(states.context.detach(), states.emotion))


class NoEmotion(Right):
    def forward(self, states: States) -> tuple[Tensor, ...]:
        return super().forward(States(states.context, states.emotion * 0))


class FirstEncoderContext(Right):
    def forward(self, states: States) -> tuple[Tensor, ...]:
        blind = super().forward(States(states.context * 0, states.emotion))
        return (super().forward(states)[0], *blind[1:])


class Centred(Right):
    def _joined(self, states: States) -> Tensor:
        both = super()._joined(states)
        return both - both.mean(0)


class Noisy(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.drawing = torch.Generator().manual_seed(context.seed)

    def _mapped(self, both: Tensor) -> tuple[Tensor, ...]:
        return super()._mapped(both + torch.randn(both.shape, generator=self.drawing) / 100)


class Dividing(Right):
    def calibrate(self, norms: Sequence[float], states: States) -> None:
        self.scale.copy_(self._joined(states).std(0))


class Unsaved(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.register_buffer("scale", self.scale, persistent=False)


def suite(fusion: type[Any]) -> type[FusionSuite]:
    """The suite of one fusion."""
    return type(fusion.__name__, (FusionSuite,), {"implementation": fusion, "config": Config})


GOOD = suite(Right)
BROKEN = {
    "fusion.shape": suite(Swapped),
    "fusion.sizes": suite(TwoEncodersOnly),
    "fusion.reaches-parameters": suite(DeadMap),
    "fusion.reaches-states": suite(CutOff),
    "fusion.emotion": suite(NoEmotion),
    "fusion.context": suite(FirstEncoderContext),
    "fusion.batch": suite(Centred),
    "fusion.deterministic": suite(Noisy),
    "fusion.calibration": suite(Dividing),
    "fusion.round-trip": suite(Unsaved),
}
