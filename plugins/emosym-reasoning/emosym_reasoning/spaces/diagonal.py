"""Independent Gaussians per feature: the paper's emotion space."""

from __future__ import annotations

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym_reasoning.config import DiagonalConfig
from emosym_reasoning.spaces.base import Space, noise


class Diagonal(Space[DiagonalConfig]):
    """Per emotion the mean and variance of every feature of [c;e]. Source: the paper."""

    statistics = ("variance",)
    variance: Tensor

    def set_gaussians(self, mean: Tensor, std: Tensor) -> None:
        """Errors: ``emotion-space.other-shape``."""
        classes = len(self.context.labels)
        if mean.ndim != 3 or len(mean) != classes or mean.shape != std.shape:
            raise EmosymError(
                "emotion-space.other-shape",
                f"means are {list(mean.shape)}, deviations {list(std.shape)}; both must be [{classes},K+1,D]",
                hint="take them from a program with the same emotions",
            )
        mean, std = (one.detach().to(self.mean.device, torch.float32) for one in (mean, std))
        self.layout = torch.tensor(mean.shape[1:], device=mean.device)
        self.mean, self.variance = mean.flatten(1), std.flatten(1).square()

    def _fit(self, classes: list[Tensor]) -> None:
        self.variance = torch.stack([rows.square().mean(0) for rows in classes])

    def _deviation(self, weights: Tensor, generator: torch.Generator) -> Tensor:
        # One draw with the mixed variance has the distribution of the weighted sum of draws.
        variance = weights @ self.variance
        return variance.sqrt() * noise(tuple(variance.shape), generator, variance)
