"""Reward ``valence``: positive or negative."""

from __future__ import annotations

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import LabelSet
from emosym_reasoning.config import ValenceRewardConfig
from emosym_reasoning.rewards.base import PairReward


class ValenceReward(PairReward[ValenceRewardConfig]):
    """1 where action and annotation are both positive or both not; needs labels of both kinds."""

    @staticmethod
    def _table(labels: LabelSet) -> Tensor:
        labels.require_signs("reward valence")
        positive = torch.tensor([labels.positive(index) for index in range(len(labels))])
        if positive.all() or not positive.any():
            names, which = ", ".join(labels.names), "positive" if positive.any() else "negative"
            raise EmosymError(
                "spec.labels-do-not-fit",
                f"reward valence tells positive from negative emotions; {names} are all {which}",
                hint="leave valence out, or use labels of both kinds",
            )
        return (positive[:, None] == positive[None]).float()
