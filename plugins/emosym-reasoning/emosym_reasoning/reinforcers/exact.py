"""Reinforcer ``exact``: the expected reward as a sum over all emotions, which sampled ones approach."""

from __future__ import annotations

import torch

from emosym.contracts import LossTerms, ReinforceBatch, States
from emosym_reasoning.config import ExactConfig
from emosym_reasoning.reinforcers.common import Regularised, read_mean, rollouts_of


class Exact(Regularised[ExactConfig]):
    """−Σ_a p(a)·r(a) + β·KL(p‖p_ref): with C emotions the expectation is a sum and has no variance.

    Rewards see C tries of one reading, one for each action. What they give whatever the action (``brier``,
    ``attributes``) is the same for all and moves nothing here.
    """

    def loss(self, batch: ReinforceBatch) -> LossTerms:
        states, log_p = read_mean(batch)
        size, classes = log_p.shape
        every = torch.arange(classes, device=log_p.device).expand(size, -1)
        tries = States(states.context.expand(-1, classes, -1, -1), states.emotion.expand(-1, classes, -1))
        total, each = batch.score(rollouts_of(batch, tries, log_p[:, None].expand(-1, classes, -1), every))
        gain = (log_p.exp() * total.to(log_p)).sum(-1).mean()
        return self.regularised(gain, log_p, batch.reference, total, each, {"gain": gain})
