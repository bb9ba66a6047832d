"""Metrics ``accuracy`` and ``positive-accuracy``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from emosym.contracts import Context, Evidence, Figure, Metric
from emosym_metrics.config import MetricConfig, PositiveAccuracyConfig
from emosym_metrics.metrics.intervals import share
from emosym_metrics.metrics.readings import Floats, readings


class Accuracy(Metric[MetricConfig]):
    """``accuracy`` with ``_low`` and ``_high``: the share of images whose most probable emotion is their
    label."""

    figures: ClassVar[Mapping[str, Figure]] = {
        "accuracy": Figure("Accuracy", percent=True, higher_is_better=True, headline=True, beside="bayes")
    }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return share("accuracy", self.per_image(evidence)["accuracy"])

    def per_image(self, evidence: Evidence) -> Mapping[str, Floats]:
        hits = readings(evidence).argmax(1) == evidence.labels
        return {"accuracy": hits.astype(np.float64)}


class PositiveAccuracy(Metric[PositiveAccuracyConfig]):
    """``positive_accuracy`` with ``_low`` and ``_high``: an image is read as positive when the positive
    emotions together have more than half the probability."""

    figures: ClassVar[Mapping[str, Figure]] = {
        "positive_accuracy": Figure(
            "Positive accuracy",
            percent=True,
            higher_is_better=True,
            about="Pictures whose answer is on the right side, pleasant or unpleasant",
        )
    }

    def __init__(self, config: PositiveAccuracyConfig, context: Context) -> None:
        super().__init__(config, context)
        config.check_labels(context.labels)
        self.signs = np.array([context.labels.positive(i) for i in range(len(context.labels))], dtype=bool)

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return share("positive_accuracy", self.per_image(evidence)["positive_accuracy"])

    def per_image(self, evidence: Evidence) -> Mapping[str, Floats]:
        probabilities = readings(evidence)
        read = probabilities[:, self.signs].sum(1) > 0.5 * probabilities.sum(1)
        return {"positive_accuracy": (read == self.signs[evidence.labels]).astype(np.float64)}
