"""A correct compressor, and one broken compressor for each check."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from emosym_registry import EmosymError
from torch import Tensor, nn

from emosym.contracts import (
    ComponentConfig,
    CompressBatch,
    Context,
    LossTerms,
    ReasoningCompressor,
    States,
)
from emosym.testing import CompressorSuite


class Config(ComponentConfig):
    """Parameters of the compressors below."""

    tokens: int = 2


class Right(ReasoningCompressor[Config]):
    """One table of tokens; the mean context state is drawn towards its own text."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.table = nn.Parameter(torch.empty(config.tokens + 1, context.hidden_size))
        self.initialise(torch.zeros(context.hidden_size), 0.02)
        self.map = None
        if context.text_width:
            draw = torch.Generator().manual_seed(context.seed)
            self.map = nn.Parameter(torch.randn(context.hidden_size, context.text_width, generator=draw) / 6)

    @property
    def context_tokens(self) -> int:
        return self.config.tokens

    @torch.no_grad()
    def initialise(self, mean: Tensor, std: float) -> None:
        self.table.copy_(mean + std * self._drawn())

    @torch.no_grad()
    def set_tokens(self, tokens: Tensor) -> None:
        if tokens.shape != self.table.shape:
            raise EmosymError(
                "compressor.tokens", f"tokens of {list(tokens.shape)}, not {list(self.table.shape)}"
            )
        self.table.copy_(tokens)

    def _drawn(self) -> Tensor:
        return torch.randn(self.table.shape, generator=torch.Generator().manual_seed(self.context.seed))

    def tokens(self, batch: int) -> Tensor:
        return self.table.expand(batch, -1, -1)

    def project(self, states: States) -> Tensor | None:
        return None if self.map is None else F.normalize(states.context.mean(-2) @ self.map, dim=-1)

    def knowledge_parameters(self) -> dict[str, nn.Parameter]:
        return {} if self.map is None else {"map": self.map}

    def loss(self, batch: CompressBatch) -> LossTerms:
        features = self.project(batch.states)
        if batch.knowledge is None or features is None:
            return LossTerms(batch.logits.new_zeros(()), {"with_text": 0.0})
        return LossTerms(
            self._distance(features, batch.knowledge, batch.present),
            {"with_text": float(batch.present.float().mean())},
        )

    def _distance(self, features: Tensor, knowledge: Tensor, present: Tensor) -> Tensor:
        apart = 1 - (features * knowledge).sum(-1)
        return (apart * present).sum() / present.sum().clamp_min(1)


class OneToken(Right):
    def tokens(self, batch: int) -> Tensor:
        return self.table[None]


class ThroughData(Right):
    def tokens(self, batch: int) -> Tensor:
        return self.table.data.expand(batch, -1, -1)


class OtherNames(Right):
    def knowledge_parameters(self) -> dict[str, nn.Parameter]:
        return {f"projection.{name}": one for name, one in super().knowledge_parameters().items()}


class UnitScale(Right):
    @torch.no_grad()
    def initialise(self, mean: Tensor, std: float) -> None:
        self.table.copy_(self._drawn())


class Stretching(Right):
    """Takes tokens of any shape that can be made to fit."""

    @torch.no_grad()
    def set_tokens(self, tokens: Tensor) -> None:
        self.table.copy_(tokens[: len(self.table)])


class OneStart(Right):
    def _drawn(self) -> Tensor:
        return torch.randn(self.table.shape, generator=torch.Generator().manual_seed(0))


class LabelTable(Right):
    def loss(self, batch: CompressBatch) -> LossTerms:
        terms = super().loss(batch)
        return LossTerms(
            terms.loss + F.cross_entropy(batch.logits, batch.labels, ignore_index=-1), terms.values
        )


class Silent(Right):
    def loss(self, batch: CompressBatch) -> LossTerms:
        terms = super().loss(batch)
        return LossTerms(terms.loss) if batch.knowledge is None else terms


class AlwaysProjects(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.map = self.map if self.map is not None else nn.Parameter(torch.ones(context.hidden_size, 24))


class Mean(Right):
    def _distance(self, features: Tensor, knowledge: Tensor, present: Tensor) -> Tensor:
        return (1 - (features * knowledge).sum(-1))[present].mean()


class AllRows(Right):
    def _distance(self, features: Tensor, knowledge: Tensor, present: Tensor) -> Tensor:
        return super()._distance(features, knowledge, torch.ones_like(present))


class Weighted(Right):
    def _distance(self, features: Tensor, knowledge: Tensor, present: Tensor) -> Tensor:
        return super()._distance(features, knowledge, present * torch.arange(1, len(present) + 1))


class CutOff(Right):
    def _distance(self, features: Tensor, knowledge: Tensor, present: Tensor) -> Tensor:
        return super()._distance(features.detach(), knowledge, present) + self.table.sum() * 0


class Unconnected(Right):
    def loss(self, batch: CompressBatch) -> LossTerms:
        absent = LossTerms(batch.logits.new_zeros(()), {"with_text": 0.0})
        return super().loss(batch) if bool(batch.present.any()) else absent


class Backwards(Right):
    def _distance(self, features: Tensor, knowledge: Tensor, present: Tensor) -> Tensor:
        distance = super()._distance(features, knowledge, present)
        return 2 * distance.detach() - distance


class FlatOnly(Right):
    def project(self, states: States) -> Tensor | None:
        return None if self.map is None else F.normalize(states.context.mean(1) @ self.map, dim=-1)


class Unsaved(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        shift = torch.randn(context.hidden_size, generator=torch.Generator().manual_seed(context.seed))
        self.register_buffer("shift", shift, persistent=False)

    def tokens(self, batch: int) -> Tensor:
        return super().tokens(batch) + self.shift


class Unkept(Right):
    """Forgets what it has seen of the texts."""

    centre: Tensor

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.register_buffer("centre", torch.zeros(context.text_width), persistent=False)

    def calibrate(self, knowledge: Tensor) -> None:
        self.centre.copy_(knowledge.mean(0))

    def _distance(self, features: Tensor, knowledge: Tensor, present: Tensor) -> Tensor:
        return super()._distance(features, knowledge - self.centre, present)


def suite(compressor: type[Any]) -> type[CompressorSuite]:
    """The suite of one compressor."""
    return type(compressor.__name__, (CompressorSuite,), {"implementation": compressor, "config": Config})


GOOD = suite(Right)
BROKEN = {
    "compressor.tokens": suite(OneToken),
    "compressor.reaches-tokens": suite(ThroughData),
    "compressor.knowledge-parameters": suite(OtherNames),
    "compressor.initialise": suite(UnitScale),
    "compressor.set-tokens": suite(Stretching),
    "compressor.initialise-seeded": suite(OneStart),
    "compressor.loss": suite(LabelTable),
    "compressor.no-knowledge": suite(Silent),
    "compressor.no-text-space": suite(AlwaysProjects),
    "compressor.absent": suite(Mean),
    "compressor.present": suite(AllRows),
    "compressor.order": suite(Weighted),
    "compressor.reaches-knowledge": suite(CutOff),
    "compressor.connected": suite(Unconnected),
    "compressor.teaches": suite(Backwards),
    "compressor.project": suite(FlatOnly),
    "compressor.round-trip": suite(Unsaved),
}
ALSO_BROKEN = (("compressor.round-trip", suite(Unkept)),)
