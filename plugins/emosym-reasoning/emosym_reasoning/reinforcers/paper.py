"""Reinforcer ``paper``: the paper's objective on the deterministic reading."""

from __future__ import annotations

from emosym.contracts import LossTerms, ReinforceBatch
from emosym_reasoning.config import PaperConfig
from emosym_reasoning.reinforcers.common import Regularised, read_mean, rollouts_of


class Paper(Regularised[PaperConfig]):
    """−mean(r·p_y) + β·KL(p‖p_ref), r the reward of the reading's own argmax.

    The mean is over labelled samples: without y there is no p_y. The cross entropy that the paper adds is the
    stage's (``ce_weight``). Source: the paper, and its authors' code.
    """

    def loss(self, batch: ReinforceBatch) -> LossTerms:
        states, log_p = read_mean(batch)
        actions = log_p.argmax(-1, keepdim=True)
        total, each = batch.score(rollouts_of(batch, states, log_p[:, None], actions))
        labels = batch.labels.to(log_p.device)
        known = labels >= 0
        p_y = log_p.gather(1, labels.clamp_min(0)[:, None])[:, 0].exp()
        gain = (total[:, 0].to(p_y) * p_y * known).sum() / known.sum().clamp_min(1)
        return self.regularised(gain, log_p, batch.reference, total, each, {"gain": gain})
