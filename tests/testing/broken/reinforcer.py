"""A correct reinforcer, and one broken reinforcer for each check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from emosym.contracts import ComponentConfig, LossTerms, ReinforceBatch, Reinforcer, Rollouts, States
from emosym.testing import ReinforcerSuite


class Config(ComponentConfig):
    """Parameters of the reinforcers below."""

    tries: int = 8


class Right(Reinforcer[Config]):
    """REINFORCE over the actions of one reading, with the mean reward of an image's tries as baseline."""

    def loss(self, batch: ReinforceBatch) -> LossTerms:
        states, logits = batch.read(self._tokens(batch).expand(len(batch.samples), 1, -1, -1))
        log_p = logits[:, 0].log_softmax(-1)
        actions = torch.multinomial(
            log_p.detach().exp(), self.config.tries, True, generator=self._chance(batch)
        )
        total, each = batch.score(self._rollouts(batch, states, log_p, actions))
        surrogate = (log_p.gather(1, actions) * self._advantage(total)).mean()
        loss = 0.1 * self._divergence(log_p, batch.reference) - surrogate
        return LossTerms(loss, self._values(each), log_p)

    def _tokens(self, batch: ReinforceBatch) -> Tensor:
        return batch.mean

    def _chance(self, batch: ReinforceBatch) -> torch.Generator | None:
        return batch.generator

    def _advantage(self, total: Tensor) -> Tensor:
        return total - total.mean(1, keepdim=True)

    def _divergence(self, log_p: Tensor, reference: Tensor) -> Tensor:
        return (log_p.exp() * (log_p - reference)).sum(-1).mean()

    def _rollouts(self, batch: ReinforceBatch, states: States, log_p: Tensor, actions: Tensor) -> Rollouts:
        tries = actions.shape[1]
        states = states.detach()
        many = States(
            states.context.expand(-1, tries, -1, -1).clone(), states.emotion.expand(-1, tries, -1).clone()
        )
        shown = log_p.detach().exp()[:, None].expand(-1, tries, -1)
        return Rollouts(batch.samples, batch.labels, actions, shown, many, batch.project(many))

    def _values(self, each: dict[str, Tensor]) -> dict[str, float]:
        values = {}
        for name, scores in each.items():
            known = scores[scores.isfinite().all(1)]
            values[f"{name}/mean"], values[f"{name}/std"] = float(known.mean()), float(known.std())
            values[f"{name}/flat"] = float((known.std(1) < 1e-6).float().mean())
        return values


class ReadsTwice(Right):
    """Reads the tokens once more, and does not say so."""

    def loss(self, batch: ReinforceBatch) -> LossTerms:
        _, logits = batch.read(batch.mean.expand(len(batch.samples), 1, -1, -1))
        terms = super().loss(batch)
        return LossTerms(terms.loss + 0.0 * logits.sum(), terms.values)


class TellsNoise(Right):
    """Says the logits of noisy tokens."""

    def loss(self, batch: ReinforceBatch) -> LossTerms:
        terms = super().loss(batch)
        _, logits = batch.read((batch.mean + 1.0).expand(len(batch.samples), 1, -1, -1))
        return LossTerms(terms.loss, terms.values, logits[:, 0])


class PerImage(Right):
    def loss(self, batch: ReinforceBatch) -> LossTerms:
        terms = super().loss(batch)
        return LossTerms(terms.loss.expand(len(batch.samples)), terms.values)


class CutTokens(Right):
    def _tokens(self, batch: ReinforceBatch) -> Tensor:
        return batch.mean.detach()


class OnlyTokens(Right):
    def loss(self, batch: ReinforceBatch) -> LossTerms:
        terms = super().loss(batch)
        return LossTerms(batch.mean.square().mean() + terms.loss.detach(), terms.values)


class GlobalChance(Right):
    def _chance(self, batch: ReinforceBatch) -> torch.Generator | None:
        return None


class LeavesGraph(Right):
    def _rollouts(self, batch: ReinforceBatch, states: States, log_p: Tensor, actions: Tensor) -> Rollouts:
        shown = super()._rollouts(batch, states, log_p, actions)
        live = log_p.exp()[:, None].expand(-1, actions.shape[1], -1)
        return Rollouts(
            shown.samples, shown.labels, shown.actions, live, shown.states, shown.context_features
        )


class Punishing(Right):
    def _advantage(self, total: Tensor) -> Tensor:
        return -super()._advantage(total)


class NoBaseline(Right):
    def _advantage(self, total: Tensor) -> Tensor:
        return total


class Fleeing(Right):
    def _divergence(self, log_p: Tensor, reference: Tensor) -> Tensor:
        return -super()._divergence(log_p, reference)


class Terse(Right):
    def _values(self, each: dict[str, Tensor]) -> dict[str, float]:
        return {f"{name}/mean": float(scores.mean()) for name, scores in each.items()}


class Counting(Right):
    """Counts no reward as one of 0."""

    def _values(self, each: dict[str, Tensor]) -> dict[str, float]:
        return super()._values({name: scores.nan_to_num() for name, scores in each.items()})


class Forgetful(Right):
    """Holds on to the reference more from step to step, and forgets it at a checkpoint."""

    grip = 1.0

    def after_step(self, values: Mapping[str, float]) -> None:
        self.grip *= 2

    def _divergence(self, log_p: Tensor, reference: Tensor) -> Tensor:
        return self.grip * super()._divergence(log_p, reference)


class Moving(Right):
    def loss(self, batch: ReinforceBatch) -> LossTerms:
        terms = super().loss(batch)
        batch.reference.mul_(0.9)
        return terms


def suite(reinforcer: type[Any]) -> type[ReinforcerSuite]:
    """The suite of one reinforcer."""
    return type(reinforcer.__name__, (ReinforcerSuite,), {"implementation": reinforcer, "config": Config})


GOOD = suite(Right)
BROKEN = {
    "reinforcer.loss": suite(PerImage),
    "reinforcer.reaches-tokens": suite(CutTokens),
    "reinforcer.reaches-network": suite(OnlyTokens),
    "reinforcer.logits": suite(TellsNoise),
    "reinforcer.deterministic": suite(GlobalChance),
    "reinforcer.rollouts": suite(LeavesGraph),
    "reinforcer.readings": suite(ReadsTwice),
    "reinforcer.improves": suite(Punishing),
    "reinforcer.unlabelled": suite(NoBaseline),
    "reinforcer.reference": suite(Fleeing),
    "reinforcer.values": suite(Terse),
    "reinforcer.masked": suite(Counting),
    "reinforcer.state": suite(Forgetful),
    "reinforcer.leaves-policy": suite(Moving),
}
