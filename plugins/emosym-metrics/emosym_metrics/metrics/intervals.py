"""95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


def share(name: str, hits: int, total: int) -> Mapping[str, float]:
    """A share with Wilson's interval (Wilson 1927), as ``name``, ``name_low``, ``name_high``."""
    interval = binomtest(hits, total).proportion_ci(0.95, method="wilson")
    return {name: hits / total, f"{name}_low": float(interval.low), f"{name}_high": float(interval.high)}


def percentiles(name: str, value: float, resampled: NDArray[np.float64]) -> Mapping[str, float]:
    """A figure with the percentile interval of its resampled values."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}
