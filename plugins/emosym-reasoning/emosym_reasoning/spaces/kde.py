"""Real states with a little noise: a baseline that cannot leave the data."""

from __future__ import annotations

import torch
from torch import Tensor

from emosym_reasoning.config import KdeConfig
from emosym_reasoning.spaces.base import Space, noise


class Kde(Space[KdeConfig]):
    """A kernel density per emotion: a remembered state plus ``bandwidth`` × the emotion's own deviation.

    A pure emotion draws near one real state, or with ``interpolate`` near the line between two; a mixture adds scaled
    deviations of one of each emotion.
    """

    statistics = ("memory", "owner", "deviation")
    memory: Tensor
    owner: Tensor
    deviation: Tensor

    def _fit(self, classes: list[Tensor]) -> None:
        generator = torch.Generator().manual_seed(self.context.seed)
        kept = []
        for rows in classes:
            chosen = torch.randperm(len(rows), generator=generator)[: self.config.per_class].sort().values
            kept.append(rows[chosen.to(rows.device)])
        self.memory = torch.cat(kept)
        self.owner = torch.repeat_interleave(torch.tensor([len(rows) for rows in kept])).to(
            self.memory.device
        )
        self.deviation = torch.stack([rows.square().mean(0).sqrt() for rows in classes])

    def _deviation(self, weights: Tensor, generator: torch.Generator) -> Tensor:
        remembered = self._remembered(weights, generator)
        jitter = weights @ self.deviation.square()
        jitter = self.config.bandwidth * jitter.sqrt() * noise(tuple(jitter.shape), generator, weights)
        if self.config.interpolate:
            way = self.config.interpolate * torch.rand((*weights.shape, 1), generator=generator).to(weights)
            remembered = torch.lerp(remembered, self._remembered(weights, generator), way)
        return torch.einsum("bc,bcp->bp", weights.sqrt(), remembered) + jitter

    def _remembered(self, weights: Tensor, generator: torch.Generator) -> Tensor:
        """A remembered state of every emotion [B,C,P]."""
        counts = torch.bincount(self.owner, minlength=weights.shape[1])
        first = counts.cumsum(0) - counts
        chance = torch.rand(tuple(weights.shape), generator=generator).to(weights.device)
        return self.memory[first + (chance * counts).long().clamp_max(counts - 1)]
