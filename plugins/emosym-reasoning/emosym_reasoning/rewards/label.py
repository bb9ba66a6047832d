"""Reward ``label``: the annotated emotion."""

from __future__ import annotations

from torch import Tensor

from emosym.contracts import Rollouts
from emosym_reasoning.config import LabelRewardConfig
from emosym_reasoning.rewards.base import AnnotatedReward


class LabelReward(AnnotatedReward[LabelRewardConfig]):
    """1 where the action is the annotated emotion, else 0."""

    def _labelled(self, rollouts: Rollouts, labels: Tensor) -> Tensor:
        return rollouts.actions == labels[:, None]
