"""What reinforcers share: the reading without noise, tries made into rollouts, divergence, figures to log."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from emosym.contracts import LossTerms, ReinforceBatch, Rollouts, States

FLAT = 1e-6
"""A group whose rewards' standard deviation is below this has no spread."""


def rollouts_of(
    batch: ReinforceBatch, states: States, log_probabilities: Tensor, actions: Tensor
) -> Rollouts:
    """Tries [B,G] with everything a reward may look at, cut from the graph."""
    states = states.detach()
    with torch.no_grad():
        features = batch.project(states)
    return Rollouts(
        samples=batch.samples,
        labels=batch.labels,
        actions=actions,
        probabilities=log_probabilities.detach().exp(),
        states=states,
        context_features=features,
    )


def divergence(log_probabilities: Tensor, reference: Tensor) -> Tensor:
    """KL(p‖p_ref) [B] from log-probabilities [B,C], summed exactly over emotions; gradient to p alone."""
    reference = reference.detach().to(log_probabilities)
    return (log_probabilities.exp() * (log_probabilities - reference)).sum(-1)


def entropy(log_probabilities: Tensor) -> Tensor:
    """Entropy [B] in nats of log-probabilities [B,C]."""
    return -(log_probabilities.exp() * log_probabilities).sum(-1)


def figures(total: Tensor, each: Mapping[str, Tensor], scalars: Mapping[str, Tensor]) -> dict[str, float]:
    """What to log: for the total and each reward [B,G] its ``reward/NAME/mean``, ``reward/NAME/std`` over all
    tries and, where G > 1, ``reward/NAME/flat`` (share of groups without spread); and ``scalars``."""
    values = dict(scalars)
    for name, scores in {"total": total, **each}.items():
        scores = scores.float()
        values[f"reward/{name}/mean"] = scores.mean()
        values[f"reward/{name}/std"] = scores.std(correction=0)
        if scores.shape[1] > 1:
            values[f"reward/{name}/flat"] = (scores.std(1, correction=0) < FLAT).float().mean()
    numbers = torch.stack([value.detach().float().to(total.device) for value in values.values()]).tolist()
    return dict(zip(values, numbers, strict=True))


def regularised(
    gain: Tensor,
    beta: float,
    log_probabilities: Tensor,
    reference: Tensor,
    total: Tensor,
    each: Mapping[str, Tensor],
    scalars: Mapping[str, Tensor],
) -> LossTerms:
    """−gain + β·mean KL(p‖p_ref) over readings [B,C], with the figures of the rewards and of the divergence."""
    kl = divergence(log_probabilities, reference).mean()
    values = {"kl": kl, "entropy": entropy(log_probabilities).mean(), **scalars}
    return LossTerms(beta * kl - gain, figures(total, each, values))


def read_mean(batch: ReinforceBatch) -> tuple[States, Tensor]:
    """The reading without noise: states [B,1,…] and log-probabilities [B,C], float32."""
    context = batch.mean[None, None].expand(len(batch.samples), 1, -1, -1)
    states, logits = batch.read(context)
    return states, logits[:, 0].float().log_softmax(-1)
