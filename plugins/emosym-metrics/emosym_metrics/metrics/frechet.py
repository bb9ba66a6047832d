"""Metric ``fid``: the Fréchet distance of generated and real pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from emosym_registry import EmosymError
from numpy.typing import NDArray
from torchmetrics.image.fid import FrechetInceptionDistance

from emosym.contracts import Evidence, Figure
from emosym_metrics.config import FeatureConfig
from emosym_metrics.metrics.feature_distance import FeatureDistance


class FrechetDistance(FeatureDistance[FeatureConfig]):
    """``fid`` (Heusel et al. 2017): the Fréchet distance of two Gaussians, of the features of generated and of
    real pictures; ``fid_clip`` or ``fid_judge`` where another network than InceptionV3 sees.

    It falls with the number of pictures, whatever they are, so only figures of equal numbers compare; it has no
    interval for the same reason: resampled pictures give larger distances, not wider ones. KID has one.
    """

    figures: ClassVar[Mapping[str, Figure]] = {"fid": Figure("FID", higher_is_better=False)}

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        real, generated = self.both_sides(evidence)
        return {self._name: frechet_distance(real, generated)}


class _Given(torch.nn.Module):
    """In the place of torchmetrics' network: features that are there already pass as they are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def frechet_distance(real: NDArray[np.float64], generated: NDArray[np.float64]) -> float:
    """The distance of features [N,F] and [M,F]. Errors: ``metric.too-few`` for fewer than two of either."""
    if min(len(real), len(generated)) < 2:
        raise EmosymError(
            "metric.too-few",
            f"a Fréchet distance needs two pictures of each side, here are {len(real)} real and "
            f"{len(generated)} generated ones",
            hint="bring thousands",
        )
    distance = FrechetInceptionDistance(feature=_Given(real.shape[1]))
    distance.update(torch.from_numpy(real), real=True)
    distance.update(torch.from_numpy(generated), real=False)
    return float(distance.compute())
