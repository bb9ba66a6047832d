"""Reinforcers without sampling: the paper's objective, and the exact expectation that sampled ones approach."""

from __future__ import annotations

import torch
from torch import Tensor

from emosym.contracts import Context, LossTerms, Policy, Reinforcer, States
from emosym_reasoning.config import ExactConfig, PaperConfig
from emosym_reasoning.reinforcers.common import divergence, entropy, figures, rollouts_of


def read_mean(policy: Policy) -> tuple[States, Tensor]:
    """The reading without noise: states [B,1,…] and log-probabilities [B,C], float32."""
    context = policy.mean[None, None].expand(len(policy.samples), 1, -1, -1)
    states, logits = policy.read(context)
    return states, logits[:, 0].float().log_softmax(-1)


class Paper(Reinforcer):
    """−mean(r·p_y) + β·KL(p‖p_ref), r the reward of the reading's own argmax.

    The mean is over labelled samples: without y there is no p_y. The cross entropy that the paper adds is the stage's
    (``ce_weight``). Source: METHOD.md, stage 2 (paper and official).
    """

    def __init__(self, config: PaperConfig, context: Context) -> None:
        self.config = config
        self.context = context

    def loss(self, policy: Policy) -> LossTerms:
        states, log_p = read_mean(policy)
        actions = log_p.argmax(-1, keepdim=True)
        total, each = policy.score(rollouts_of(policy, states, log_p[:, None], actions))
        labels = policy.labels.to(log_p.device)
        known = labels >= 0
        p_y = log_p.gather(1, labels.clamp_min(0)[:, None])[:, 0].exp()
        gain = (total[:, 0].to(p_y) * p_y * known).sum() / known.sum().clamp_min(1)
        kl = divergence(log_p, policy.reference).mean()
        values = figures(total, each, {"kl": kl, "entropy": entropy(log_p).mean(), "gain": gain})
        return LossTerms(self.config.beta * kl - gain, values)


class Exact(Reinforcer):
    """−Σ_a p(a)·r(a) + β·KL(p‖p_ref): with C emotions the expectation is a sum and has no variance.

    Rewards see C tries of one reading, one for each action. What they give whatever the action (``brier``,
    ``attributes``) is the same for all and moves nothing here.
    """

    def __init__(self, config: ExactConfig, context: Context) -> None:
        self.config = config
        self.context = context

    def loss(self, policy: Policy) -> LossTerms:
        states, log_p = read_mean(policy)
        batch, classes = log_p.shape
        every = torch.arange(classes, device=log_p.device).expand(batch, -1)
        tries = States(states.context.expand(-1, classes, -1, -1), states.emotion.expand(-1, classes, -1))
        total, each = policy.score(rollouts_of(policy, tries, log_p[:, None].expand(-1, classes, -1), every))
        gain = (log_p.exp() * total.to(log_p)).sum(-1).mean()
        kl = divergence(log_p, policy.reference).mean()
        values = figures(total, each, {"kl": kl, "entropy": entropy(log_p).mean(), "gain": gain})
        return LossTerms(self.config.beta * kl - gain, values)
