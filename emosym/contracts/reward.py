"""RewardVerifier: scores rollouts against an annotation or an independent model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.judge import Judge
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
    """What a reward may look at beside the rollouts; judge and text encoder are there where its ``needs`` name them."""

    read: Callable[[Sequence[Sample]], Tensor]
    """The system's own probabilities [B,C] of any samples, such as changed copies of the pictures."""
    judge: Judge[Any] | None = None
    """``judges.reward``."""
    text_encoder: TextEncoder[Any] | None = None
    """The spec's text encoder."""


class RewardVerifier(Component[ConfigT]):
    """Scores rollouts, in the stage reinforce; rewards of several verifiers are added by their weights."""

    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """The lowest and the highest score."""
    verifiable: ClassVar[bool] = True
    """False for a reward that uses the policy's own confidence alone."""

    def bind(self, resources: RewardResources) -> None:
        """Receive what it may look at. Called once, before the first score."""
        self.resources = resources

    @abstractmethod
    def score(self, rollouts: Rollouts) -> Tensor:
        """[B,G] float32 without gradient, inside ``range``; NaN is an error."""
