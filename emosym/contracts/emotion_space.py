"""EmotionSpace: statistics of the states by emotion, from which states are drawn when there is no image."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.states import States


class EmotionSpace(Component[ConfigT], nn.Module):
    """Per-class statistics of [c;e] from which states are drawn when there is no image."""

    @abstractmethod
    def fit(self, states: States, labels: Tensor) -> None:
        """Replace the statistics: states of N samples, ``labels`` [N]. A class without samples is an error.

        The stage unify calls it with all labelled training images before each refresh of the bank, and at its end. The
        statistics are buffers, so that a saved system has them.
        """

    @abstractmethod
    def sample(self, mixture: Tensor, generator: torch.Generator) -> States:
        """States of B images; ``mixture`` [B,C] are class weights that sum to one (one-hot for a pure emotion)."""
