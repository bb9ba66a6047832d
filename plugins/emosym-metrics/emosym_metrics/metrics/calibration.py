"""Metric ``ece``: expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from emosym.contracts import Evidence, Figure, Metric
from emosym_metrics.config import CalibrationConfig
from emosym_metrics.metrics.intervals import percentiles
from emosym_metrics.metrics.readings import Floats, Ints, readings


class CalibrationError(Metric[CalibrationConfig]):
    """``ece`` with ``_low`` and ``_high``: the mean distance of confidence and accuracy over equal bins of
    confidence, weighted by their images (Naeini et al. 2015)."""

    figures: ClassVar[Mapping[str, Figure]] = {
        "ece": Figure("Calibration error (ECE)", higher_is_better=False)
    }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        probabilities, count = readings(evidence), self.config.bins
        confidence = probabilities.max(1)
        gap = (probabilities.argmax(1) == evidence.labels) - confidence
        bins = np.clip(np.ceil(confidence * count).astype(np.int64) - 1, 0, count - 1)
        rng = np.random.default_rng(evidence.seed)
        draws = rng.integers(0, len(gap), (self.config.resamples, len(gap)))
        resampled = np.array([_ece(bins[drawn], gap[drawn], count) for drawn in draws])
        return percentiles("ece", _ece(bins, gap, count), resampled)


def _ece(bins: Ints, gap: Floats, count: int) -> float:
    return float(np.abs(np.bincount(bins, weights=gap, minlength=count)).sum() / len(gap))
