"""Metric ``diversity``: how different the images of one emotion are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emosym.contracts import Context, Evidence, Figure, Metric
from emosym_metrics.config import DiversityConfig
from emosym_metrics.metrics.pictures import batched, paired_sets
from emosym_metrics.seers import clip_seer, seer_or_judge


class Diversity(Metric[DiversityConfig]):
    """``diversity``, ``diversity_real`` and ``diversity_ratio``: the mean cosine distance (0 to 2) of two
    images of one emotion, averaged over the emotions that have two images or more; in the judge's features,
    or those of ``clip``."""

    needs: ClassVar[tuple[str, ...]] = ("judge", "diffusion")
    group = "generation"
    figures: ClassVar[Mapping[str, Figure]] = {
        "diversity": Figure("Diversity", headline=True, beside="diversity_real"),
        "diversity_real": Figure("Diversity of real images"),
        "diversity_ratio": Figure(
            "Diversity over that of real images",
            about="Diversity of the painted pictures divided by that of real ones: 1 is as varied, below it they repeat themselves",
        ),
    }

    def __init__(self, config: DiversityConfig, context: Context) -> None:
        super().__init__(config, context)
        self._seer = clip_seer(config, context)

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        seer = seer_or_judge(self._seer, evidence, self.context)
        figures = {
            name: within_class(batched(seer.features, pictures, self.config.batch_size), labels)
            for name, pictures, labels in paired_sets("diversity", evidence)
        }
        if figures.get("diversity_real"):
            figures["diversity_ratio"] = figures["diversity"] / figures["diversity_real"]
        return figures


def within_class(features: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean over classes of the mean pairwise cosine distance; for unit vectors, the sum over all pairs is
    the squared length of their sum."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    distances = []
    for label in np.unique(labels):
        own = unit[labels == label]
        count = len(own)
        if count >= 2:
            total = own.sum(0)
            distances.append(1 - (float(total @ total) - count) / (count * (count - 1)))
    return float(np.mean(distances))
