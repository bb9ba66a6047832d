"""Metric ``f1``: the emotions' mean F1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from emosym.contracts import Evidence, Figure, Metric
from emosym_metrics.config import BootstrapConfig
from emosym_metrics.metrics.intervals import percentiles
from emosym_metrics.metrics.readings import Floats, readings


class MacroF1(Metric[BootstrapConfig]):
    """``macro_f1`` with ``_low`` and ``_high``: the mean F1 of the emotions that occur, as label or as
    reading.

    Resampling images changes only the counts of (label, reading) pairs, so the interval draws those.
    """

    figures: ClassVar[Mapping[str, Figure]] = {
        "macro_f1": Figure("macro-F1", percent=True, higher_is_better=True, headline=True)
    }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        probabilities, labels = readings(evidence), evidence.labels
        classes, read = probabilities.shape[1], probabilities.argmax(1)
        pairs = np.bincount(labels * classes + read, minlength=classes**2)
        rng = np.random.default_rng(evidence.seed)
        drawn = rng.multinomial(len(labels), pairs / len(labels), size=self.config.resamples)
        scores = macro_f1(np.vstack([pairs, drawn]).reshape(-1, classes, classes).astype(np.float64))
        return percentiles("macro_f1", float(scores[0]), scores[1:])


def macro_f1(counts: Floats) -> Floats:
    """Macro-F1 [R] of confusion counts [R,C,C] (label, reading), over the classes that occur in each."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    either = counts.sum(1) + counts.sum(2)
    scores = np.divide(2 * hits, either, out=np.zeros_like(hits), where=either > 0)
    return np.asarray(scores.sum(1) / (either > 0).sum(1))
