"""Reinforcer: how rewards become a loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.reward import Rollouts
from emosym.contracts.sample import Sample
from emosym.contracts.states import LossTerms, States


@dataclass(frozen=True)
class ReinforceBatch:
    """What a reinforcer may do with the system, for one batch of B samples.

    ``mean`` [K,D] are the [CTX] tokens (with gradient); ``read(context [B,G,K,D])`` appends [EMO], reads every try and
    gives (states with context [B,G,K,D], emotion [B,G,D]; logits [B,G,C]), differentiable; ``score(rollouts)`` gives
    the weighted reward [B,G] and each reward's own [B,G] by name, whose rows are NaN where it does not apply (the total of
    a sample that none applies to is 0 for every try); ``project(states)`` gives the context features [B,G,W] of tries, or
    None; ``reference`` [B,C] are log-probabilities of the frozen stage-1 model; ``labels`` [B],
    -1 where unlabelled; ``generator`` is a CPU generator.
    """

    samples: Sequence[Sample]
    labels: Tensor
    mean: Tensor
    read: Callable[[Tensor], tuple[States, Tensor]]
    score: Callable[[Rollouts], tuple[Tensor, Mapping[str, Tensor]]]
    project: Callable[[States], Tensor | None]
    reference: Tensor
    generator: torch.Generator


class Reinforcer(Component[ConfigT]):
    """A policy-gradient algorithm."""

    @classmethod
    def readings(cls, config: ConfigT) -> int:
        """Rows a sample that one loss reads at once (G tries and the mean); estimates of memory ask it."""
        return 1

    @abstractmethod
    def loss(self, batch: ReinforceBatch) -> LossTerms:
        """One update's loss, with gradients to ``batch.mean``; values log per reward: mean, std, share
        of groups whose reward has no spread, of the samples that it applies to. Called once a step of the stage
        reinforce."""

    def after_step(self, values: Mapping[str, float]) -> None:
        """Adapt to what was logged of the step just taken, the mean over all processes. Does nothing by default."""

    def state(self) -> dict[str, float]:
        """What it has adapted, for a checkpoint; nothing by default."""
        return {}

    def load_state(self, state: Mapping[str, float]) -> None:
        """The inverse of :meth:`state`."""
