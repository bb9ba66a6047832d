"""Fusion ``gated``: u = g·M_e(e) + (1 − g)·M_c(c), with a gate g for every feature."""

from __future__ import annotations

import torch
from torch import Tensor

from emosym_reasoning.fusions.base import PairFusion
from emosym_reasoning.layers import mlp


class GatedFusion(PairFusion):
    """u = g·M_e(e) + (1 − g)·M_c(c), g = σ(M_g([e; c])) one number for every feature of every vector.

    Which of the two speaks is decided picture by picture, where ``additive`` always hears both.
    """

    def _build(self, generator: torch.Generator) -> None:
        width, hidden, activation = sum(self.widths), self.config.hidden, self.config.activation
        self.from_emotion = mlp(self.context.hidden_size, hidden, width, generator, activation)
        self.from_context = mlp(self.context_inputs, hidden, width, generator, activation)
        both = self.context.hidden_size + self.context_inputs
        self.gate = mlp(both, hidden, width, generator, activation)

    def _mix(self, emotion: Tensor, context: Tensor) -> Tensor:
        gate = self.gate(torch.cat([emotion, context], -1)).sigmoid()
        mixed: Tensor = gate * self.from_emotion(emotion) + (1 - gate) * self.from_context(context)
        return mixed
