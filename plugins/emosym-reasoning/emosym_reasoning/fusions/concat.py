"""Fusion ``concat``: u = M([e; c])."""

from __future__ import annotations

import torch
from torch import Tensor

from emosym_reasoning.fusions.base import PairFusion
from emosym_reasoning.layers import mlp


class ConcatFusion(PairFusion):
    """u = M([e; c]), one MLP in which emotion and context meet before the hidden layer."""

    def _build(self, generator: torch.Generator) -> None:
        inputs = self.context.hidden_size + self.context_inputs
        hidden, activation = self.config.hidden, self.config.activation
        self.from_both = mlp(inputs, hidden, sum(self.widths), generator, activation)

    def _mix(self, emotion: Tensor, context: Tensor) -> Tensor:
        mixed: Tensor = self.from_both(torch.cat([emotion, context], -1))
        return mixed
