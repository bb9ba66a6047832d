"""Reward ``valence``: positive or negative."""

from __future__ import annotations

import torch
from torch import Tensor

from emosym.contracts import LabelSet
from emosym_reasoning.config import ValenceRewardConfig
from emosym_reasoning.rewards.base import PairReward


class ValenceReward(PairReward[ValenceRewardConfig]):
    """1 where action and annotation are both positive or both not; needs labels of both kinds."""

    @staticmethod
    def _table(labels: LabelSet) -> Tensor:
        ValenceRewardConfig().check_labels(labels)
        positive = torch.tensor([labels.positive(index) for index in range(len(labels))])
        return (positive[:, None] == positive[None]).float()
