"""Metric ``distributions``: readings beside the distributions that annotators gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from scipy.special import rel_entr

from emosym.contracts import Evidence, Figure, Metric
from emosym_metrics.config import DistributionsConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.readings import Floats, readings


class Distributions(Metric[DistributionsConfig]):
    """``kl_divergence`` and ``cosine_similarity`` with ``_low`` and ``_high``: the mean Kullback-Leibler divergence, in
    nats, of the probabilities (none taken for less than ``floor``) from the annotated distribution
    (``Sample.target``, the label where there is none), and the mean cosine of the two (Geng 2016). The
    Jensen-Shannon divergence is ``vote-distance``."""

    figures: ClassVar[Mapping[str, Figure]] = {
        "kl_divergence": Figure("KL divergence", higher_is_better=False),
        "cosine_similarity": Figure("Cosine similarity", higher_is_better=True),
    }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return {
            key: figure
            for name, values in self.per_image(evidence).items()
            for key, figure in bootstrapped(name, values, self.config.resamples, evidence.seed).items()
        }

    def per_image(self, evidence: Evidence) -> Mapping[str, Floats]:
        read, targets = readings(evidence), evidence.targets
        divergence = rel_entr(targets, np.maximum(read, self.config.floor)).sum(1)
        lengths = np.linalg.norm(read, axis=1) * np.linalg.norm(targets, axis=1)
        return {"kl_divergence": divergence, "cosine_similarity": (read * targets).sum(1) / lengths}
