"""Metric ``kid``: the kernel distance of generated and real pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from emosym_registry import EmosymError
from numpy.typing import NDArray
from scipy.stats import norm
from torchmetrics.image.kid import poly_mmd

from emosym.contracts import Evidence, Figure
from emosym_metrics.config import KernelConfig
from emosym_metrics.metrics.feature_distance import FeatureDistance


class KernelDistance(FeatureDistance[KernelConfig]):
    """``kid`` with ``_low`` and ``_high`` (Bińkowski et al. 2018): the squared maximum mean discrepancy of the
    features of generated and of real pictures under the kernel (x·y/F + 1)³, the mean over random subsets;
    ``kid_clip`` or ``kid_judge`` where another network than InceptionV3 sees. Unlike FID it does not depend on the
    number of pictures, and it may be below zero where there is no difference.

    The interval is what the subsets' spread says of the whole (the delete-d jackknife): normal, with the spread
    times √(m/(n − m)) for subsets of m of the smaller side's n.
    """

    figures: ClassVar[Mapping[str, Figure]] = {"kid": Figure("KID", higher_is_better=False)}

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        real, generated = self.both_sides(evidence)
        smaller = min(len(real), len(generated))
        size = min(self.config.subset_size, smaller // 2)
        if size < 2:
            raise EmosymError(
                "metric.too-few",
                f"a kernel distance needs four pictures of each side, here are {len(real)} real and "
                f"{len(generated)} generated ones",
                hint="bring hundreds",
            )
        values = subset_distances(real, generated, size, self.config.subsets, evidence.seed)
        value, spread = float(values.mean()), float(values.std(ddof=1))
        half = float(norm.ppf(0.975)) * spread * float(np.sqrt(size / (smaller - size) + 1 / len(values)))
        return {self._name: value, f"{self._name}_low": value - half, f"{self._name}_high": value + half}


def subset_distances(
    real: NDArray[np.float64], generated: NDArray[np.float64], size: int, count: int, seed: int
) -> NDArray[np.float64]:
    """The distances [count] of random subsets of ``size`` of each side; they depend on the pictures that there are,
    not on their order."""
    rng = np.random.default_rng(seed)
    one, other = (torch.from_numpy(features[np.lexsort(features.T[::-1])]) for features in (real, generated))

    def distance() -> float:
        first, second = rng.permutation(len(one))[:size], rng.permutation(len(other))[:size]
        return float(poly_mmd(one[first], other[second]))

    return np.array([distance() for _ in range(count)])
