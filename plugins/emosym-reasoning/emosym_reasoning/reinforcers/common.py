"""What reinforcers share: the reading without noise, tries made into rollouts, a divergence whose weight may adapt, figures
to log."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from typing_extensions import TypeVar

from emosym.contracts import Context, LossTerms, ReinforceBatch, Reinforcer, Rollouts, States
from emosym_reasoning.config import ReinforcerConfig

FLAT = 1e-6
"""A group whose rewards' standard deviation is below this has no spread."""
PULL, GRIP = 0.1, 0.2
"""How much of the error, and of what error at most, the divergence's weight follows in a step (Ziegler et al. 2019)."""
ReinforcerConfigT = TypeVar("ReinforcerConfigT", bound=ReinforcerConfig, default=ReinforcerConfig)


class Regularised(Reinforcer[ReinforcerConfigT]):
    """A reinforcer that is held near the frozen stage-1 model by β·KL(p‖p_ref).

    With ``target_kl`` β adapts: after each step it is multiplied by 1 + 0.1·e, where e = KL/target − 1, held to ±0.2, so
    that the divergence settles at the target whatever the rewards' scale. Source: PPO's adaptive penalty (Schulman et
    al. 2017) in the proportional form of Ziegler et al. 2019.
    """

    def __init__(self, config: ReinforcerConfigT, context: Context) -> None:
        super().__init__(config, context)
        self.beta = config.beta

    def after_step(self, values: Mapping[str, float]) -> None:
        if self.config.target_kl is not None:
            error = values["kl"] / self.config.target_kl - 1
            self.beta *= 1 + PULL * min(max(error, -GRIP), GRIP)

    def state(self) -> dict[str, float]:
        return {"beta": self.beta}

    def load_state(self, state: Mapping[str, float]) -> None:
        self.beta = float(state["beta"])

    def regularised(
        self,
        gain: Tensor,
        log_probabilities: Tensor,
        reference: Tensor,
        total: Tensor,
        each: Mapping[str, Tensor],
        scalars: Mapping[str, Tensor],
    ) -> LossTerms:
        """−gain + β·mean KL(p‖p_ref) over readings [B,C], with the figures of the rewards and of the divergence."""
        kl = divergence(log_probabilities, reference).mean()
        values = {"kl": kl, "entropy": entropy(log_probabilities).mean(), **scalars}
        if self.config.target_kl is not None:
            values["beta"] = torch.tensor(self.beta)
        return LossTerms(self.beta * kl - gain, figures(total, each, values), log_probabilities)


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
    tries and, where G > 1, ``reward/NAME/flat`` (share of groups without spread), of the images that it applies to (of
    the total: that any does), NaN where there are none; and ``scalars``."""
    values = dict(scalars)
    reached = torch.stack([scores.isfinite().all(1) for scores in each.values()]).any(0)
    for name, scores in {"total": total.masked_fill(~reached[:, None], torch.nan), **each}.items():
        known = scores[scores.isfinite().all(1)].float()
        nothing = known.new_tensor(torch.nan)
        values[f"reward/{name}/mean"] = known.mean()
        values[f"reward/{name}/std"] = known.std(correction=0) if len(known) else nothing
        if scores.shape[1] > 1:
            flat = known.std(1, correction=0) < FLAT if len(known) else nothing
            values[f"reward/{name}/flat"] = flat.float().mean()
    numbers = torch.stack([value.detach().float().to(total.device) for value in values.values()]).tolist()
    return dict(zip(values, numbers, strict=True))


def read_mean(batch: ReinforceBatch) -> tuple[States, Tensor]:
    """The reading without noise: states [B,1,…] and log-probabilities [B,C], float32."""
    context = batch.mean[None, None].expand(len(batch.samples), 1, -1, -1)
    states, logits = batch.read(context)
    return states, logits[:, 0].float().log_softmax(-1)
