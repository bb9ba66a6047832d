"""Metric ``nearest``: whether generated pictures are copies of training pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from emosym_registry import EmosymError
from numpy.typing import NDArray
from torch import Tensor

from emosym.contracts import Context, Evidence, Figure, Metric
from emosym_metrics.config import NearestConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.pictures import Pictures, batched, sets
from emosym_metrics.seers import clip_seer, seer_or_judge


class NearestTraining(Metric[NearestConfig]):
    """``nearest`` and, where there are real images, ``nearest_real``, with ``_low`` and ``_high``: the mean cosine
    distance (0 to 2) of an image to the nearest training image, in the judge's features, or those of ``clip``.

    Generated images that are nearer than real ones held out from training were learned by heart.
    """

    needs: ClassVar[tuple[str, ...]] = ("judge", "diffusion")
    group = "generation"
    figures: ClassVar[Mapping[str, Figure]] = {
        "nearest": Figure("Distance to the nearest training image", beside="nearest_real"),
        "nearest_real": Figure("The same of real images"),
    }

    def __init__(self, config: NearestConfig, context: Context) -> None:
        super().__init__(config, context)
        self._seer = clip_seer(config, context)

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        rng = np.random.default_rng(evidence.seed)
        figures: dict[str, float] = {}
        for name, nearest in self._seen(evidence).items():
            figures |= bootstrapped(name, nearest, self.config.resamples, rng)
        return figures

    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        return {"nearest": self._seen(evidence)["nearest"]}

    def _seen(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        """Of every picture, for each figure."""
        return evidence.once((self, "nearest"), lambda: self._distances(evidence))

    def _distances(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        if not evidence.training:
            raise EmosymError(
                "metric.no-training",
                "nearest compares with training pictures, and there are none",
                hint="name them with --train",
            )
        known = self._unit(evidence.training_images, evidence)
        return {
            name: nearest_distances(self._unit(pictures, evidence), known).numpy()
            for name, pictures, _ in sets("nearest", evidence)
        }

    def _unit(self, pictures: Pictures, evidence: Evidence) -> Tensor:
        """Unit-length features [N,F], float64."""
        seer = seer_or_judge(self._seer, evidence, self.context)
        return F.normalize(torch.from_numpy(batched(seer.features, pictures, self.config.batch_size)), dim=-1)


def nearest_distances(features: Tensor, known: Tensor) -> Tensor:
    """The cosine distance [N] of unit-length features [N,F] to the nearest of ``known`` ones [M,F]."""
    return torch.cat([1 - (part @ known.T).amax(1) for part in features.split(1024)])
