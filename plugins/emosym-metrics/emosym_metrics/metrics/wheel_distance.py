"""Metric ``wheel-distance``: how far readings are from labels around Mikels' wheel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from emosym.contracts import MIKELS_WHEEL, Context, Evidence, Figure, Metric
from emosym_metrics.config import WheelDistanceConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.readings import Floats, readings


class WheelDistance(Metric[WheelDistanceConfig]):
    """``wheel_distance`` with ``_low`` and ``_high``: the mean number of steps (0 to 4) around Mikels' wheel (Zhao et
    al. 2016) between the most probable emotion and the label. Needs the eight labels of ``mikels-8``, in any order."""

    figures: ClassVar[Mapping[str, Figure]] = {
        "wheel_distance": Figure("Distance on Mikels' wheel", higher_is_better=False)
    }

    def __init__(self, config: WheelDistanceConfig, context: Context) -> None:
        super().__init__(config, context)
        config.check_labels(context.labels)
        self.places = np.array([MIKELS_WHEEL.index(name) for name in context.labels.names])

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        steps = self.per_image(evidence)["wheel_distance"]
        return bootstrapped("wheel_distance", steps, self.config.resamples, evidence.seed)

    def per_image(self, evidence: Evidence) -> Mapping[str, Floats]:
        apart = np.abs(self.places[readings(evidence).argmax(1)] - self.places[evidence.labels])
        return {"wheel_distance": np.minimum(apart, len(MIKELS_WHEEL) - apart).astype(np.float64)}
