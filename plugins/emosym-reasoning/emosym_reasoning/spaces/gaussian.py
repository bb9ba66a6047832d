"""A joint low-rank Gaussian per emotion: features move together, as they do in real states."""

from __future__ import annotations

import torch
from torch import Tensor

from emosym_reasoning.config import GaussianConfig
from emosym_reasoning.spaces.base import Space, noise

EXACT = 1024
"""Up to this many rows or features the eigenvectors are computed exactly, beyond by subspace iteration."""
OVERSAMPLING = 8
ITERATIONS = 4


class Gaussian(Space[GaussianConfig]):
    """N(μ_c, F_cF_cᵀ + diag(d_c)): ``rank`` principal directions F and the rest of each feature's variance d.

    The diagonal of the covariance is exact whatever the rank. An emotion's covariance is mixed with the one
    common to all, which counts as ``shrinkage`` samples, so one image keeps a sensible spread.
    """

    statistics = ("factors", "residual")
    factors: Tensor
    residual: Tensor

    def _fit(self, classes: list[Tensor]) -> None:
        rank = self.config.rank
        counts = torch.tensor([float(len(rows)) for rows in classes])
        own = [low_rank(rows / len(rows) ** 0.5, rank) for rows in classes]
        common = self._mix(own, (counts / counts.sum()).tolist())
        shares = self.config.shrinkage / (self.config.shrinkage + counts)
        mixed = [
            self._mix([one, common], [1 - share, share])
            for one, share in zip(own, shares.tolist(), strict=True)
        ]
        self.factors = torch.stack([factors for factors, _ in mixed])
        self.residual = torch.stack([residual for _, residual in mixed])

    def _mix(self, parts: list[tuple[Tensor, Tensor]], shares: list[float]) -> tuple[Tensor, Tensor]:
        """The low-rank form of Σ share·(FᵀF + diag d)."""
        rows = torch.cat([factors * share**0.5 for (factors, _), share in zip(parts, shares, strict=True)])
        factors, rest = low_rank(rows, self.config.rank)
        return factors, rest + sum(
            residual * share for (_, residual), share in zip(parts, shares, strict=True)
        )

    def _deviation(self, weights: Tensor, generator: torch.Generator) -> Tensor:
        batch, classes = weights.shape
        along = noise((batch, classes, self.factors.shape[1]), generator, weights) * weights.sqrt()[..., None]
        variance = weights @ self.residual
        rest = variance.sqrt() * noise(tuple(variance.shape), generator, weights)
        return along.flatten(1) @ self.factors.flatten(0, 1) + rest


def low_rank(rows: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Factors F [rank,P] and residual d [P] ≥ 0 with rowsᵀ·rows ≈ FᵀF + diag(d), the diagonal exactly.

    F holds the leading eigenvectors times the roots of their eigenvalues, zeros where there are fewer.
    """
    count, features = rows.shape
    if min(count, features) > max(EXACT, 2 * (rank + OVERSAMPLING)):
        rows_small = _leading_subspace(rows, rank + OVERSAMPLING).T @ rows
    else:
        rows_small = rows
    _, scale, directions = torch.linalg.svd(rows_small, full_matrices=False)
    leading = min(rank, len(scale))
    factors = rows.new_zeros(rank, features)
    factors[:leading] = scale[:leading, None] * directions[:leading]
    residual = rows.square().sum(0) - factors.square().sum(0)
    return factors, residual.clamp_min(0)


def _leading_subspace(rows: Tensor, size: int) -> Tensor:
    """An orthonormal basis [N,size] near the leading left singular vectors (randomised subspace iteration;
    Halko, Martinsson and Tropp 2011). The start is fixed: the result depends on the rows alone."""
    generator = torch.Generator().manual_seed(0)
    basis = rows @ torch.randn(rows.shape[1], size, generator=generator).to(rows)
    for _ in range(ITERATIONS):
        basis = torch.linalg.qr(rows @ (rows.T @ torch.linalg.qr(basis).Q)).Q
    return basis
