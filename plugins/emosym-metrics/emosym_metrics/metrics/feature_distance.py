"""What distances of generated and real pictures in some network's features have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from emosym.contracts import Context, Evidence, Metric
from emosym_metrics.config import FeatureConfig
from emosym_metrics.seers import both_sides, named_after, own_seer

FeatureConfigT = TypeVar("FeatureConfigT", bound=FeatureConfig)
TITLES = {"inception": "", "clip": " in CLIP's features", "judge": " in the judge's features"}


class FeatureDistance(Metric[FeatureConfigT]):
    """One figure, that of the class's ``figures``, whose name and title say what sees unless it is InceptionV3."""

    needs: ClassVar[tuple[str, ...]] = ("judge", "diffusion")
    group = "generation"

    def __init__(self, config: FeatureConfigT, context: Context) -> None:
        super().__init__(config, context)
        self._seer = own_seer(config, context)
        ((self._kind, figure),) = type(self).figures.items()
        self._name = named_after(self._kind, config)
        titled = replace(figure, title=f"{figure.title}{TITLES[config.features]}")
        self.figures = {self._name: titled}  # type: ignore[misc] # of these parameters

    def both_sides(self, evidence: Evidence) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Features [N,F] of the real and [M,F] of the generated pictures."""
        return both_sides(self._kind, self._seer, evidence, self.context, self.config)
