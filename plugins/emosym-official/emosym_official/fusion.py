"""Fusion ``official``: the mappers of the authors' code."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emosym.contracts import Context, Fusion, States, Vectors
from emosym_official.config import OfficialFusionConfig


class OfficialFusion(Fusion[OfficialFusionConfig]):
    """u = M_e(e) + M_c(c), one vector a text encoder; states enter as they are. Source: the authors' code."""

    def __init__(self, config: OfficialFusionConfig, context: Context) -> None:
        super().__init__(config, context)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            self.emotion_mapper = self._mapper(1)
            self.context_mapper = self._mapper(context.context_tokens if config.context == "flatten" else 1)

    def _mapper(self, states: int) -> nn.Sequential:
        width, hidden = states * self.context.hidden_size, self.config.hidden
        return nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, sum(self.context.token_widths))
        )

    @property
    def vectors(self) -> int:
        return 1

    def calibrate(self, norms: Sequence[float], states: States) -> None:
        """Does nothing: the authors scale neither states nor vectors."""

    def forward(self, states: States) -> Vectors:
        flat = self.config.context == "flatten"
        context = states.context.flatten(1) if flat else states.context.mean(1)
        mixed: Tensor = self.emotion_mapper(states.emotion) + self.context_mapper(context)
        return tuple(part[:, None] for part in mixed.split(self.context.token_widths, dim=-1))
