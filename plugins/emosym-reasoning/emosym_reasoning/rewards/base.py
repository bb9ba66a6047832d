"""What rewards share: an annotated emotion to weigh tries against, and probabilities of actions."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from emosym.contracts import ConfigT, Context, LabelSet, RewardVerifier, Rollouts


class AnnotatedReward(RewardVerifier[ConfigT]):
    """Weighs a try against the annotated emotion by ``_labelled`` of labels [B] that are all valid; it does not apply to
    an unlabelled sample."""

    needs: ClassVar[tuple[str, ...]] = ("labels",)

    @torch.no_grad()
    def score(self, rollouts: Rollouts) -> Tensor:
        labels = rollouts.labels.to(rollouts.actions.device)
        return self._labelled(rollouts, labels.clamp_min(0)).float()

    @abstractmethod
    def _labelled(self, rollouts: Rollouts, labels: Tensor) -> Tensor:
        """[B,G], right wherever a sample is labelled."""


class PairReward(AnnotatedReward[ConfigT]):
    """A table [C,C] of what each action is worth under each annotation."""

    def __init__(self, config: ConfigT, context: Context) -> None:
        super().__init__(config, context)
        self.table = self._table(context.labels)

    @staticmethod
    @abstractmethod
    def _table(labels: LabelSet) -> Tensor:
        """[annotation, action] in [0,1]; raises where the labels do not fit."""

    def _labelled(self, rollouts: Rollouts, labels: Tensor) -> Tensor:
        return self.table.to(labels.device)[labels[:, None], rollouts.actions]


def at_actions(probabilities: Tensor, rollouts: Rollouts) -> Tensor:
    """Of ``probabilities`` [B,C], those of the actions [B,G]."""
    actions = rollouts.actions
    return probabilities.to(actions.device, torch.float32).gather(1, actions)
