"""Reward ``confidence``, the paper's: 0.3·1[argmax p = y] + 0.7·p_y."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from emosym.contracts import Rollouts
from emosym_reasoning.config import ConfidenceRewardConfig
from emosym_reasoning.rewards.base import AnnotatedReward


class ConfidenceReward(AnnotatedReward[ConfidenceRewardConfig]):
    """0.3·1[argmax p = y] + 0.7·p_y of each try's reading, whatever its action.

    Not verifiable: most of it is the policy's own confidence. Source: the paper, and its authors' code.
    """

    verifiable: ClassVar[bool] = False

    def _labelled(self, rollouts: Rollouts, labels: Tensor) -> Tensor:
        correct = rollouts.probabilities.argmax(-1) == labels[:, None]
        index = labels[:, None, None].expand(-1, rollouts.probabilities.shape[1], 1)
        own = rollouts.probabilities.gather(-1, index).squeeze(-1)
        return self.config.correct * correct + self.config.confidence * own
