"""Fusion ``additive``, the paper's: u = M_e(e) + M_c(c)."""

from __future__ import annotations

import torch
from torch import Tensor

from emosym_reasoning.fusions.base import PairFusion
from emosym_reasoning.layers import mlp


class AdditiveFusion(PairFusion):
    """u = M_e(e) + M_c(c), two MLPs D→hidden→Σ n·w_i. Source: the paper."""

    def _build(self, generator: torch.Generator) -> None:
        width = sum(self.widths)
        hidden, activation = self.config.hidden, self.config.activation
        self.from_emotion = mlp(self.context.hidden_size, hidden, width, generator, activation)
        self.from_context = mlp(self.context_inputs, hidden, width, generator, activation)

    def _mix(self, emotion: Tensor, context: Tensor) -> Tensor:
        mixed: Tensor = self.from_emotion(emotion) + self.from_context(context)
        return mixed
