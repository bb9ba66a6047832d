"""What metrics of understanding are computed from."""

from __future__ import annotations

import numpy as np
from emosym_registry import EmosymError
from numpy.typing import NDArray

from emosym.contracts import Evidence

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def readings(evidence: Evidence) -> Floats:
    """The probabilities [N,C] of one sample or more.

    Errors: ``metric.no-labels`` where there is none, ``metric.not-finite``.
    """
    if evidence.probabilities is None or not len(evidence.samples):
        raise EmosymError(
            "metric.no-labels", "there is no labelled image to measure", hint="evaluate on a labelled split"
        )
    probabilities = np.asarray(evidence.probabilities, dtype=np.float64)
    if not np.isfinite(probabilities).all():
        raise EmosymError(
            "metric.not-finite",
            "the system's probabilities hold NaN or infinity",
            hint="look at the training loss",
        )
    return probabilities
