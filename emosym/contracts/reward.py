"""RewardVerifier: scores rollouts against an annotation or an independent model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.judge import Judge
from emosym.contracts.knowledge import Knowledge
from emosym.contracts.sample import Sample
from emosym.contracts.states import States
from emosym.contracts.text_encoder import TextEncoder


@dataclass(frozen=True)
class Rollouts:
    """What a reward judges: G tries for each of B samples.

    ``actions`` [B,G] sampled labels; ``probabilities`` [B,G,C] of each try's reading (detached); ``states`` with
    context [B,G,K,D] and emotion [B,G,D]; ``context_features`` [B,G,W] the context projected to the text encoder's
    space, None where the compressor has no projection; ``samples`` the B samples; ``labels`` [B] their annotated
    emotions, -1 where unlabelled. Tensors are on the run's device.
    """

    samples: Sequence[Sample]
    labels: Tensor
    actions: Tensor
    probabilities: Tensor
    states: States
    context_features: Tensor | None = None


@dataclass(frozen=True)
class RewardResources:
    """What a reward may look at beside the rollouts; judge, text encoder and knowledge are there where its ``needs`` name
    them."""

    read: Callable[[Sequence[Sample]], Tensor]
    """The system's own probabilities [B,C] of any samples, such as changed copies of the pictures."""
    judge: Judge[Any] | None = None
    """``judges.reward``."""
    text_encoder: TextEncoder[Any] | None = None
    """The spec's text encoder."""
    knowledge: Knowledge[Any] | None = None
    """The spec's knowledge: texts of any samples, held-out ones too."""
    training: Sequence[Sample] = ()
    """The training samples, labelled or not, for what a reward learns itself. No other labels may teach it."""


class RewardVerifier(Component[ConfigT]):
    """Scores rollouts, in the stage reinforce and in the metric of what it is for.

    Rewards of several verifiers are added by their weights. One that does not apply to a sample gives it no reward, which
    is another thing than a reward of 0: the weights of those that do apply then stand for all of them.
    """

    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """The lowest and the highest score."""
    verifiable: ClassVar[bool] = True
    """False for a reward that uses the policy's own confidence alone."""

    def bind(self, resources: RewardResources) -> None:
        """Receive what it may look at. Called once, when the run's parts are built; what is slow waits for the first
        score."""
        self.resources = resources

    def applies(self, samples: Sequence[Sample]) -> Tensor:
        """Bool [B] on the CPU: which samples it can score. By default those that have what its ``needs`` name of a
        sample: a label, one of its ``attribute_keys``."""
        needs = self.config.needs(self.needs)
        return torch.tensor(
            [
                ("labels" not in needs or sample.label is not None)
                and ("attributes" not in needs or self._annotated(sample))
                for sample in samples
            ],
            dtype=torch.bool,
        )

    def _annotated(self, sample: Sample) -> bool:
        return any(sample.attributes.get(key) not in (None, "", (), []) for key in self.attribute_keys)

    @abstractmethod
    def score(self, rollouts: Rollouts) -> Tensor:
        """[B,G] float32 without gradient, inside ``range``; NaN is an error. Rows of samples that it does not apply to
        are not looked at."""
