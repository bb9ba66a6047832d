"""Rewards that weigh a try against its image's annotated emotion."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import MIKELS_8, MIKELS_WHEEL, Context, LabelSet, Needs, Rollouts, require_labels
from emosym_reasoning.config import BrierRewardConfig, ConfidenceRewardConfig
from emosym_reasoning.rewards.base import Reward


class AnnotatedReward(Reward):
    """0 where unlabelled, else ``_labelled`` of labels [B] that are all valid."""

    needs: ClassVar[Needs] = Needs(labels=True)

    def _score(self, rollouts: Rollouts) -> Tensor:
        labels = rollouts.labels.to(rollouts.actions.device)
        known = labels >= 0
        return self._labelled(rollouts, labels.clamp_min(0)).float() * known[:, None]

    @abstractmethod
    def _labelled(self, rollouts: Rollouts, labels: Tensor) -> Tensor:
        """[B,G], right wherever a sample is labelled."""


class LabelReward(AnnotatedReward):
    """1 where the action is the annotated emotion, else 0."""

    def _labelled(self, rollouts: Rollouts, labels: Tensor) -> Tensor:
        return rollouts.actions == labels[:, None]


class ConfidenceReward(AnnotatedReward):
    """0.3·1[argmax p = y] + 0.7·p_y of each try's reading, whatever its action.

    Not verifiable: most of it is the policy's own confidence. Source: METHOD.md, stage 2 (paper and official).
    """

    config: ConfidenceRewardConfig
    verifiable: ClassVar[bool] = False

    def _labelled(self, rollouts: Rollouts, labels: Tensor) -> Tensor:
        correct = rollouts.probabilities.argmax(-1) == labels[:, None]
        own = _probability_of(labels, rollouts.probabilities)
        return self.config.correct * correct + self.config.confidence * own


class PairReward(AnnotatedReward):
    """A table [C,C] of what each action is worth under each annotation."""

    def __init__(self, config: object, context: Context) -> None:
        super().__init__(config, context)
        self.table = self._table(context.labels)

    @staticmethod
    @abstractmethod
    def _table(labels: LabelSet) -> Tensor:
        """[annotation, action] in [0,1]; raises where the labels do not fit."""

    def _labelled(self, rollouts: Rollouts, labels: Tensor) -> Tensor:
        return self.table.to(labels.device)[labels[:, None], rollouts.actions]


class ValenceReward(PairReward):
    """1 where action and annotation are both positive or both not; needs labels of both kinds."""

    @staticmethod
    def _table(labels: LabelSet) -> Tensor:
        positive = torch.tensor([labels.positive(index) for index in range(len(labels))])
        if positive.all() or not positive.any():
            which = "positive" if positive.any() else "negative"
            raise EmosymError(
                "spec.labels-do-not-fit",
                f"reward valence tells positive from negative emotions; {', '.join(labels.names)} are all {which}",
                hint="leave valence out, or use labels of both kinds",
            )
        return (positive[:, None] == positive[None]).float()


class WheelReward(PairReward):
    """1 − d/4, where d ∈ 0…4 is the number of steps between action and annotation around Mikels' wheel.

    Needs the eight labels of ``mikels-8``, in any order.
    """

    @staticmethod
    def _table(labels: LabelSet) -> Tensor:
        require_labels(labels, MIKELS_8, "reward wheel")
        place = torch.tensor([MIKELS_WHEEL.index(name) for name in labels.names])
        apart = (place[:, None] - place[None]).abs()
        return 1 - torch.minimum(apart, len(MIKELS_WHEEL) - apart) / (len(MIKELS_WHEEL) / 2)


class BrierReward(AnnotatedReward):
    """1 − ½·Σ(p − onehot(y))² of each try's reading: 1 for a sure and right one, 0 for a sure and wrong one.

    It does not depend on the action, so it moves the latent (``grpo``) and is constant for ``exact``.
    """

    config: BrierRewardConfig

    def _labelled(self, rollouts: Rollouts, labels: Tensor) -> Tensor:
        wanted = F.one_hot(labels, rollouts.probabilities.shape[-1])[:, None]
        return 1 - (rollouts.probabilities - wanted).square().sum(-1) / 2


def _probability_of(labels: Tensor, probabilities: Tensor) -> Tensor:
    """[B,G] probability of ``labels`` [B] in [B,G,C]."""
    index = labels[:, None, None].expand(-1, probabilities.shape[1], 1)
    return probabilities.gather(-1, index).squeeze(-1)
