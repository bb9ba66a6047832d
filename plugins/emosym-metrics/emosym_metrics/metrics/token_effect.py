"""Metric ``token-effect``: what the reasoning tokens carry, by what is lost without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import Change, Context, Evidence, Figure, Metric, Probe, Sample, States
from emosym_metrics.config import BootstrapConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.readings import Floats, readings


class TokenEffect(Metric[BootstrapConfig]):
    """What accuracy loses, with ``_low`` and ``_high``, when embeddings are replaced at inference: ``token_effect`` where
    [CTX] are noise of their scale, ``token_effect_mean`` where each is the mean of them, ``token_effect_dropped`` where [EMO]
    stands alone, ``token_effect_emotion`` where [EMO] is noise. And ``context_variation``: how much of the context states'
    square differs between images, 0 where all images have the same states and 1 where these have nothing in common.

    Causal mediation of latent reasoning, as arXiv 2602.22766 asks for: tokens whose replacement costs nothing are
    decoration.
    """

    needs: ClassVar[tuple[str, ...]] = ("system",)
    figures: ClassVar[Mapping[str, Figure]] = {
        "token_effect": Figure(
            "Token effect",
            percent=True,
            higher_is_better=True,
            headline=True,
            about="How far accuracy falls with noise in place of the [CTX] tokens",
        ),
        "token_effect_mean": Figure(
            "Token effect, mean in [CTX]",
            percent=True,
            higher_is_better=True,
            about="How far it falls with the mean of the [CTX] tokens in place of each: what they hold one by one, and not only together",
        ),
        "token_effect_dropped": Figure(
            "Token effect, [CTX] dropped",
            percent=True,
            higher_is_better=True,
            about="How far it falls where the [CTX] tokens are left out",
        ),
        "token_effect_emotion": Figure(
            "Token effect, noise in [EMO]",
            percent=True,
            higher_is_better=True,
            about="How far it falls with noise in place of [EMO]",
        ),
        "context_variation": Figure(
            "Variation of context states",
            percent=True,
            about="How much of the states at [CTX] differs from picture to picture; 0 % would be the same state for all",
        ),
    }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        rng, figures = np.random.default_rng(evidence.seed), dict[str, float]()
        for name, lost in self.per_image(evidence).items():
            figures |= bootstrapped(name, lost, self.config.resamples, rng)
        states, _ = self._read(evidence)["own"]
        return {**figures, "context_variation": variation(states.context)}

    def per_image(self, evidence: Evidence) -> Mapping[str, Floats]:
        """Lost hits: 1 where an image is read right with the system's own tokens alone, −1 where without them alone."""
        own = _hits(readings(evidence), evidence)
        read = self._read(evidence)
        return {
            f"token_effect{end}": own - _hits(read[name][1], evidence)
            for name, end in (
                ("noise", ""),
                ("mean", "_mean"),
                ("dropped", "_dropped"),
                ("emotion", "_emotion"),
            )
        }

    def _read(self, evidence: Evidence) -> Mapping[str, tuple[States, Floats]]:
        probe = probe_of(evidence, self.context)
        seed = evidence.seed
        changes: dict[str, Change] = {
            "own": lambda tokens, _: tokens,
            "noise": lambda tokens, batch: torch.cat([noise(tokens[:, :-1], batch, seed), tokens[:, -1:]], 1),
            "mean": lambda tokens, _: torch.cat(
                [tokens[:, :-1].mean(1, keepdim=True).expand_as(tokens[:, :-1]), tokens[:, -1:]], 1
            ),
            "dropped": lambda tokens, _: tokens[:, -1:],
            "emotion": lambda tokens, batch: torch.cat(
                [tokens[:, :-1], noise(tokens[:, -1:], batch, seed)], 1
            ),
        }
        return evidence.once((self, "changed"), lambda: probe.read(evidence.samples, changes))


def noise(tokens: Tensor, batch: Sequence[Sample], seed: int) -> Tensor:
    """Gaussian vectors in the shape of ``tokens`` [B,T,D], with their mean and deviation over all elements; those of a sample
    depend on its id and ``seed`` alone."""
    rows = []
    for sample in batch:
        key = np.frombuffer(sample.id.encode(), np.uint8).tolist()
        drawn = np.random.default_rng([seed, *key]).standard_normal(tuple(tokens.shape[1:]), np.float32)
        rows.append(torch.from_numpy(drawn))
    return tokens.mean() + tokens.std() * torch.stack(rows).to(tokens.device, tokens.dtype)


def variation(states: Tensor) -> float:
    """1 − ‖mean over images‖² ∕ mean of ‖·‖², of states [N,K,D], in the mean over K."""
    states = states.double()
    common, whole = states.mean(0).square().sum(-1), states.square().sum(-1).mean(0)
    return float((1 - common / whole.clamp_min(1e-12)).mean())


def probe_of(evidence: Evidence, context: Context) -> Probe:
    """The system that is measured. Errors: ``metric.no-system`` where there are figures of others alone."""
    if evidence.probe is None:
        raise EmosymError(
            "metric.no-system",
            f"{context.component} changes what a system reads through, and there is no system",
            hint="measure a run of emosym: emosym evaluate RUN",
        )
    return evidence.probe


def _hits(probabilities: Floats, evidence: Evidence) -> Floats:
    return np.asarray(probabilities.argmax(1) == evidence.labels, dtype=np.float64)
