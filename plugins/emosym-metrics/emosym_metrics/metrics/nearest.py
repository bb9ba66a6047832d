"""Metric ``nearest``: whether generated pictures are copies of training pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from emosym_registry import EmosymError

from emosym.contracts import Context, Evidence, Figure, Metric
from emosym_metrics.config import NearestConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.pictures import batched, pictures_of, sets
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
        if not evidence.training:
            raise EmosymError(
                "metric.no-training",
                "nearest compares with training pictures, and there are none",
                hint="name them with --train",
            )
        seer = seer_or_judge(self._seer, evidence, self.context)
        size = self.config.batch_size

        def unit(pictures: object) -> torch.Tensor:
            return F.normalize(torch.from_numpy(batched(seer.features, pictures, size)), dim=-1)  # type: ignore[arg-type]

        known = unit(pictures_of(evidence.training))
        rng = np.random.default_rng(evidence.seed)
        figures: dict[str, float] = {}
        for name, pictures, _ in sets("nearest", evidence):
            nearest = torch.cat([1 - (part @ known.T).amax(1) for part in unit(pictures).split(1024)])
            figures |= bootstrapped(name, nearest.numpy(), self.config.resamples, rng)
        return figures
