"""Reward ``wheel``: distance on Mikels' wheel of emotions."""

from __future__ import annotations

import torch
from torch import Tensor

from emosym.contracts import MIKELS_WHEEL, LabelSet
from emosym_reasoning.config import WheelRewardConfig
from emosym_reasoning.rewards.base import PairReward


class WheelReward(PairReward[WheelRewardConfig]):
    """1 − d/4, where d ∈ 0…4 is the number of steps between action and annotation around Mikels' wheel.

    Needs the eight labels of ``mikels-8``, in any order.
    """

    @staticmethod
    def _table(labels: LabelSet) -> Tensor:
        WheelRewardConfig().check_labels(labels)
        place = torch.tensor([MIKELS_WHEEL.index(name) for name in labels.names])
        apart = (place[:, None] - place[None]).abs()
        return 1 - torch.minimum(apart, len(MIKELS_WHEEL) - apart) / (len(MIKELS_WHEEL) / 2)
