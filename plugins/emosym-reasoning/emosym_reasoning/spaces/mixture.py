"""A Gaussian mixture per emotion: an emotion with several modes is drawn from one of them, never from between."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from torch import Tensor

from emosym_reasoning.config import MixtureConfig
from emosym_reasoning.spaces.base import Space, noise
from emosym_reasoning.spaces.gaussian import low_rank

FLOOR = 1e-6
"""Smallest variance of a Gaussian in a direction, as a share of that of all states."""
STEPS, STARTS = 200, 3
"""Steps of expectation maximisation at most, and starts of which the likeliest end is taken."""


class Mixture(Space[MixtureConfig]):
    """δ_c = B·z + rest, z from a mixture of Gaussians, B the principal directions within emotions.

    Which states belong together is found by expectation maximisation with diagonal Gaussians; each then has the whole
    covariance of its states in the basis. The mean and the variance of every feature of an emotion are exact, whatever
    the rank. Small classes have fewer Gaussians, in the end one, and borrow the spread that is common to all.
    """

    statistics = ("basis", "shares", "centres", "factors", "residual")
    basis: Tensor
    """[R,P], orthonormal."""
    shares: Tensor
    """[C,M], 0 where an emotion has fewer Gaussians."""
    centres: Tensor
    """[C,M,R], in the basis."""
    factors: Tensor
    """[C,M,R,R], lower triangular roots of the covariances in the basis."""
    residual: Tensor
    """[C,P], variance that the basis does not hold."""

    def _fit(self, classes: list[Tensor]) -> None:
        self.basis = _principal(torch.cat(classes), self.config.rank)
        inside = [rows @ self.basis.T for rows in classes]
        counts = self.basis.new_tensor([len(rows) for rows in classes])
        self._fit_inside(inside, counts)
        second = torch.stack([rows.T @ rows / len(rows) for rows in inside])
        held = ((second @ self.basis) * self.basis).sum(1)
        own = (torch.stack([rows.square().mean(0) for rows in classes]) - held).clamp_min(0)
        self.residual = self._shrunk(own, counts)

    def _fit_inside(self, classes: list[Tensor], counts: Tensor) -> None:
        """The mixture of each emotion's rows [N_c,R] in the basis."""
        scale = torch.cat(classes).square().mean(0).clamp_min(1e-30).sqrt()
        belongs = [self._responsibilities((rows / scale).double().cpu().numpy()) for rows in classes]
        most, (emotions, rank) = max(each.shape[1] for each in belongs), (len(classes), len(scale))
        self.shares = scale.new_zeros(emotions, most)
        self.centres = scale.new_zeros(emotions, most, rank)
        covariances = scale.new_zeros(emotions, most, rank, rank)
        for index, (rows, each) in enumerate(zip(classes, belongs, strict=True)):
            weights = torch.from_numpy(each).to(rows)
            sums = weights.sum(0).clamp_min(1e-12)
            for place in range(weights.shape[1]):
                own = weights[:, place, None] / sums[place]
                centre = (own * rows).sum(0)
                away = rows - centre
                self.shares[index, place] = sums[place] / len(rows)
                self.centres[index, place] = centre
                covariances[index, place] = away.T @ (own * away)
        shrunk = self._shrunk(covariances.flatten(0, 1), (self.shares * counts[:, None]).flatten())
        ridge = torch.diag(FLOOR * scale.square() + 1e-30)
        self.factors = torch.linalg.cholesky(shrunk.double() + ridge.double()).to(scale)
        self.factors = self.factors.unflatten(0, (emotions, most))

    def _responsibilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much each row belongs to each Gaussian [N,M], of one emotion."""
        count = min(self.config.components, max(1, len(rows) // self.config.per_component))
        if count == 1:
            return np.ones((len(rows), 1))
        mixture = GaussianMixture(
            count,
            covariance_type="diag",
            reg_covar=FLOOR,
            max_iter=STEPS,
            n_init=STARTS,
            random_state=self.context.seed % 2**32,
        )
        belongs: NDArray[np.float64] = mixture.fit(rows).predict_proba(rows)
        return belongs

    def _shrunk(self, own: Tensor, counts: Tensor) -> Tensor:
        """``own`` [N,…] of so many states each, mixed with what is common to all."""
        counts = counts.view(-1, *[1] * (own.ndim - 1))
        common = (own * counts).sum(0) / counts.sum()
        shrinkage = self.config.shrinkage
        return (own * counts + common * shrinkage) / (counts + shrinkage).clamp_min(1e-12)

    def _deviation(self, weights: Tensor, generator: torch.Generator) -> Tensor:
        batch, emotions = weights.shape
        chance = torch.rand((batch, emotions), generator=generator).to(weights)
        bounds = self.shares.cumsum(-1)
        picked = (chance[..., None] * bounds[:, -1:] >= bounds).sum(-1).clamp_max(self.shares.shape[1] - 1)
        every = torch.arange(emotions, device=weights.device)
        along = noise((batch, emotions, self.basis.shape[0]), generator, weights)
        along = self.centres[every, picked] + torch.einsum(
            "bcrs,bcs->bcr", self.factors[every, picked], along
        )
        rest = (weights @ self.residual).sqrt() * noise((batch, self.residual.shape[1]), generator, weights)
        mixed: Tensor = torch.einsum("bc,bcr->br", weights.sqrt(), along)
        return mixed @ self.basis + rest


def _principal(rows: Tensor, rank: int) -> Tensor:
    """The leading principal directions [R,P] of centred rows, R ≤ ``rank`` where there are fewer."""
    factors, _ = low_rank(rows, min(rank, *rows.shape))
    lengths = factors.norm(dim=1, keepdim=True)
    kept = lengths[:, 0] > 1e-6 * lengths.max().clamp_min(1e-30)
    kept[0] = True
    directions: Tensor = factors[kept] / lengths[kept].clamp_min(1e-30)
    return directions
