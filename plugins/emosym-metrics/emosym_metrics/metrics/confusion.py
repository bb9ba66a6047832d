"""Metric ``confusion``: how often each emotion is read as each."""

from __future__ import annotations

from collections.abc import Mapping

from sklearn.metrics import confusion_matrix

from emosym.contracts import Evidence, Metric
from emosym_metrics.config import MetricConfig
from emosym_metrics.metrics.readings import readings


class Confusion(Metric[MetricConfig]):
    """``confusion/LABEL/READING``: how many images of each emotion are read as each."""

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        names = evidence.names
        counts = confusion_matrix(evidence.labels, readings(evidence).argmax(1), labels=range(len(names)))
        return {
            f"confusion/{label}/{reading}": float(counts[i, j])
            for i, label in enumerate(names)
            for j, reading in enumerate(names)
        }
