"""Metrics of reading: ``accuracy``, ``positive-accuracy``, ``f1``, ``ece``, ``confusion``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from emosym_registry import EmosymError
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score

from emosym.contracts import Context, Evidence, Metric
from emosym_metrics.config import BootstrapConfig, CalibrationConfig, MetricConfig
from emosym_metrics.metrics.intervals import percentiles, share

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def labelled(evidence: Evidence) -> tuple[Floats, Ints]:
    """Probabilities [N,C] and labels [N] of the images that have a label; none, or NaN, is an error."""
    probabilities = np.asarray(evidence.probabilities, dtype=np.float64)
    labels = np.asarray(evidence.labels, dtype=np.int64)
    known = labels >= 0
    if not known.any():
        raise EmosymError(
            "metric.no-labels", "there is no labelled image to measure", hint="evaluate on a labelled split"
        )
    if not np.isfinite(probabilities).all():
        raise EmosymError(
            "metric.not-finite",
            "the system's probabilities hold NaN or infinity",
            hint="look at the training loss",
        )
    return probabilities[known], labels[known]


class _Understanding(Metric):
    needs: ClassVar[tuple[str, ...]] = ("probabilities",)
    group: ClassVar[str] = "understanding"

    def __init__(self, config: Any, context: Context) -> None:
        self.config, self.context = config, context


class Accuracy(_Understanding):
    """``accuracy`` with ``_low`` and ``_high``: the share of images whose most probable emotion is their label."""

    config: MetricConfig

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        probabilities, labels = labelled(evidence)
        return share("accuracy", int((probabilities.argmax(1) == labels).sum()), len(labels))


class PositiveAccuracy(_Understanding):
    """``positive_accuracy`` with ``_low`` and ``_high``: an image is read as positive when the positive emotions
    together have more than half the probability."""

    config: MetricConfig

    def __init__(self, config: MetricConfig, context: Context) -> None:
        super().__init__(config, context)
        self.signs = np.array([context.labels.positive(i) for i in range(len(context.labels))])
        if self.signs.all() or not self.signs.any():
            raise EmosymError("spec.labels-do-not-fit", f"positive-accuracy: none or all of {', '.join(context.labels.names)} are positive",
                              hint="leave positive-accuracy out of metrics")  # fmt: skip

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        probabilities, labels = labelled(evidence)
        read = probabilities[:, self.signs].sum(1) > 0.5 * probabilities.sum(1)
        return share("positive_accuracy", int((read == self.signs[labels]).sum()), len(labels))


class MacroF1(_Understanding):
    """``macro_f1`` with ``_low`` and ``_high``: the mean F1 of the emotions that occur, as label or as reading.

    Resampling images changes only the counts of (label, reading) pairs, so the interval draws those.
    """

    config: BootstrapConfig

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        probabilities, labels = labelled(evidence)
        classes, read = probabilities.shape[1], probabilities.argmax(1)
        value = float(f1_score(labels, read, average="macro", zero_division=0.0))
        pairs = np.bincount(labels * classes + read, minlength=classes**2) / len(labels)
        rng = np.random.default_rng(evidence.seed)
        drawn = rng.multinomial(len(labels), pairs, size=self.config.resamples).reshape(-1, classes, classes)
        return percentiles("macro_f1", value, macro_f1(drawn.astype(np.float64)))


def macro_f1(counts: Floats) -> Floats:
    """Macro-F1 [R] of confusion counts [R,C,C] (label, reading), over the classes that occur in each."""
    hits = np.diagonal(counts, axis1=1, axis2=2)
    either = counts.sum(1) + counts.sum(2)
    scores = np.divide(2 * hits, either, out=np.zeros_like(hits), where=either > 0)
    return np.asarray(scores.sum(1) / (either > 0).sum(1))


class CalibrationError(_Understanding):
    """``ece`` with ``_low`` and ``_high``: the mean distance of confidence and accuracy over equal bins of confidence,
    weighted by their images (Naeini et al. 2015)."""

    config: CalibrationConfig

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        probabilities, labels = labelled(evidence)
        confidence = probabilities.max(1)
        hit = (probabilities.argmax(1) == labels).astype(np.float64)
        bins = np.clip(np.ceil(confidence * self.config.bins).astype(np.int64) - 1, 0, self.config.bins - 1)
        gap = hit - confidence
        rng = np.random.default_rng(evidence.seed)
        resampled = [
            _ece(bins[i], gap[i], self.config.bins)
            for i in rng.integers(0, len(gap), (self.config.resamples, len(gap)))
        ]
        return percentiles("ece", _ece(bins, gap, self.config.bins), np.array(resampled))


def _ece(bins: Ints, gap: Floats, count: int) -> float:
    return float(np.abs(np.bincount(bins, weights=gap, minlength=count)).sum() / len(gap))


class Confusion(_Understanding):
    """``confusion/LABEL/READING``: how many images of each emotion are read as each."""

    config: MetricConfig

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        probabilities, labels = labelled(evidence)
        names = evidence.names
        counts = confusion_matrix(labels, probabilities.argmax(1), labels=range(len(names)))
        return {
            f"confusion/{label}/{reading}": float(counts[i, j])
            for i, label in enumerate(names)
            for j, reading in enumerate(names)
        }
