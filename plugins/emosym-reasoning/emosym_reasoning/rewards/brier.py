"""Reward ``brier``: calibration of the reading."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from emosym.contracts import Rollouts
from emosym_reasoning.config import BrierRewardConfig
from emosym_reasoning.rewards.base import AnnotatedReward


class BrierReward(AnnotatedReward[BrierRewardConfig]):
    """1 − ½·Σ(p − onehot(y))² of each try's reading: 1 for a sure and right one, 0 for a sure and wrong one.

    It does not depend on the action, so it moves the latent (``grpo``) and is constant for ``exact``.
    """

    def _labelled(self, rollouts: Rollouts, labels: Tensor) -> Tensor:
        wanted = F.one_hot(labels, rollouts.probabilities.shape[-1])[:, None]
        return 1 - (rollouts.probabilities - wanted).square().sum(-1) / 2
