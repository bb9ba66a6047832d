"""Group-relative policy optimisation over latent context tokens."""

from __future__ import annotations

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import LossTerms, ReinforceBatch
from emosym.toolkit import drawn
from emosym_reasoning.config import GrpoConfig
from emosym_reasoning.reinforcers.common import FLAT, Regularised, rollouts_of

EPSILON = 1e-4
"""Added to a group's standard deviation: rewards in [0,1] that differ by less are noise."""
SMALLEST_SIGMA = 1e-6
"""Noise where the tokens have no spread of their own (the control ``zero``)."""


def advantages(rewards: Tensor, normalise: bool) -> Tensor:
    """(R − mean)/(std + ε) over each group of ``rewards`` [B,G]; centred only unless ``normalise``."""
    centred = rewards - rewards.mean(1, keepdim=True)
    spread = rewards.std(1, correction=0, keepdim=True)
    centred = centred * (spread >= FLAT)  # what is left of a flat group is rounding, which ε would enlarge
    return centred / (spread + EPSILON) if normalise else centred


def sample_actions(log_probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """One action [B,G] from log-probabilities [B,G,C], drawn on the CPU: every device draws the same."""
    chances = log_probabilities.detach().float().cpu().exp()
    rows, *shape = chances.shape
    # torch.multinomial draws so too, but for the rows that it is given.
    waits = drawn(lambda n: torch.empty(n, *shape).exponential_(1, generator=generator), rows, generator)
    return (chances / waits).argmax(-1).to(log_probabilities.device)


class Grpo(Regularised[GrpoConfig]):
    """−mean(min(ρA, clip(ρ)A)) + β·KL(p‖p_ref), the action being the pair (z, a).

    z_g = μ + σ·ε_g replaces the [CTX] tokens BEFORE [EMO] is read, a_g ~ p(·|x, z_g), and
    log π(z,a) = w·log N(z; μ, σ) + log p(a|z). z is held fixed in both terms: μ learns through the density
    alone (and through the divergence), the network through log p(a|z).

    *Scale.* The log density is a mean over the K·D dimensions, times ``latent_weight``. As a sum (weight K·D,
    the true score function) its noise grows with the width of the backbone and drowns log p(a|z), one term.

    *Ratio.* ρ is taken against the same pass's detached log π, so it is exactly 1 and its gradient that of
    log π: right for one update per batch of tries, which is what the training loop makes. ``ratio_clipped``
    is therefore 0 unless a subclass gives an older policy by overriding :meth:`old`. σ is detached, relative
    to the deviation of μ's elements.

    *Divergence.* Computed exactly over the C emotions on the reading of μ itself, read in the same call as
    the tries. Source: clipping and group advantages as in PPO and GRPO.
    """

    @classmethod
    def readings(cls, config: GrpoConfig) -> int:
        """The tries and the mean."""
        return config.rollouts + 1

    def loss(self, batch: ReinforceBatch) -> LossTerms:
        mean = batch.mean
        sigma = float(mean.detach().float().std(correction=0)) * self.config.sigma
        sigma = max(sigma, SMALLEST_SIGMA)
        noise = self._noise(len(batch.samples), mean.shape, batch.generator).to(mean.device, torch.float32)
        latents = (mean.detach().float()[None, None] + sigma * noise).to(mean.dtype)

        centre = mean[None, None].expand(len(latents), 1, -1, -1)
        states, logits = batch.read(torch.cat([latents, centre], 1))
        log_p = logits.float().log_softmax(-1)
        tries, reading = log_p[:, :-1], log_p[:, -1]

        actions = sample_actions(tries, batch.generator)
        total, each = batch.score(rollouts_of(batch, states[:, :-1], tries, actions))
        if total.shape != actions.shape:
            raise EmosymError(
                "reinforce.scores",
                f"rewards have shape {tuple(total.shape)}, the tries {tuple(actions.shape)}",
                ours=True,
            )
        advantage = advantages(total.to(log_p), self.config.normalise)

        log_density = -((latents.float() - mean.float()) / sigma).square().mean((-2, -1)) / 2
        log_action = tries.gather(-1, actions[..., None])[..., 0]
        log_pi = self.config.latent_weight * log_density + log_action
        ratio = (log_pi - self.old(batch, log_pi)).exp()
        clipped = ratio.clamp(1 - self.config.clip, 1 + self.config.clip)
        surrogate = torch.minimum(ratio * advantage, clipped * advantage).mean()
        scalars = {"ratio_clipped": (ratio != clipped).float().mean(), "sigma": torch.tensor(sigma)}
        return self.regularised(surrogate, reading, batch.reference, total, each, scalars)

    def old(self, batch: ReinforceBatch, log_pi: Tensor) -> Tensor:
        """log π(z,a) [B,G] under the policy that made the tries: this very one."""
        return log_pi.detach()

    def _noise(self, size: int, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """ε [B,G,K,D], in pairs ±ε where ``antithetic``."""
        tries = self.config.rollouts // 2 if self.config.antithetic else self.config.rollouts
        noise = drawn(lambda n: torch.randn(n, tries, *shape, generator=generator), size, generator)
        return torch.cat([noise, -noise], 1) if self.config.antithetic else noise
