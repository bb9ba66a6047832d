"""95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


def share(name: str, hits: NDArray[np.float64]) -> Mapping[str, float]:
    """The share of ``hits`` [N] (1 or 0) with Wilson's interval (Wilson 1927), as ``name``, ``name_low``,
    ``name_high``."""
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="wilson")
    value = float(hits.mean())
    return {name: value, f"{name}_low": float(interval.low), f"{name}_high": float(interval.high)}


def percentiles(name: str, value: float, resampled: NDArray[np.float64]) -> Mapping[str, float]:
    """A figure with the percentile interval of its resampled values."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}


def bootstrapped(
    name: str, values: NDArray[np.float64], resamples: int, rng: np.random.Generator | int
) -> Mapping[str, float]:
    """The mean of ``values`` [N] with its interval when the images are drawn again and again."""
    draws = np.random.default_rng(rng).integers(0, len(values), (resamples, len(values)))
    return percentiles(name, float(values.mean()), values[draws].mean(1))
