"""Metric ``reading-time``: what an image costs to read."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
from emosym_registry import EmosymError

from emosym.contracts import Evidence, Figure, Metric, Sample
from emosym_metrics.config import ReadingTimeConfig

Read = Callable[[Sequence[Sample], "int | None"], object]


class ReadingTime(Metric[ReadingTimeConfig]):
    """``reading_ms`` and ``reading_ms_single``, milliseconds an image of held-out images at the evaluation's batch size and
    one by one, and the decimal logarithm of each, in which a difference of 1 is ten times.

    Wall-clock time from the picture's file to the probabilities: opening it, the processor, the vision tower, the language
    model, and all that is written where the system writes its reasons. Nothing is kept of earlier readings, the weights are
    loaded, and the first reading of each kind is not counted. The median of a few readings of the same images counts.
    """

    repeatable: ClassVar[bool] = False
    figures: ClassVar[Mapping[str, Figure]] = {
        "reading_ms": Figure("Milliseconds an image", higher_is_better=False),
        "reading_ms_single": Figure("Milliseconds an image, one by one", higher_is_better=False),
        "reading_ms_log10": Figure("log₁₀ of milliseconds an image", higher_is_better=False),
        "reading_ms_single_log10": Figure(
            "log₁₀ of milliseconds an image, one by one", higher_is_better=False
        ),
    }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        """Errors: ``metric.no-system`` where the readings are another program's."""
        if evidence.read is None:
            raise EmosymError(
                "metric.no-system",
                "metric reading-time reads images itself, and there is no system here that could",
                hint="leave it out of metrics, or measure a run: emosym evaluate RUN",
            )
        order = np.random.default_rng(evidence.seed).permutation(len(evidence.samples))
        drawn = [evidence.samples[int(place)] for place in order]
        figures = {
            "reading_ms": self._milliseconds(evidence.read, drawn[: self.config.images], None),
            "reading_ms_single": self._milliseconds(evidence.read, drawn[: self.config.single], 1),
        }
        return figures | {f"{name}_log10": math.log10(value) for name, value in figures.items()}

    def _milliseconds(self, read: Read, samples: Sequence[Sample], batch_size: int | None) -> float:
        """Of an image: the median over the repeats of their mean over the images."""
        read(samples[: self.config.single], batch_size)
        times = []
        for _ in range(self.config.repeats):
            begun = time.perf_counter()
            read(samples, batch_size)
            times.append(time.perf_counter() - begun)
        return 1000 * statistics.median(times) / len(samples)
