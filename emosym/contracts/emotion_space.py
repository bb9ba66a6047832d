"""EmotionSpace: statistics of the states by emotion, from which states are drawn when there is no image."""

from __future__ import annotations

from abc import abstractmethod

import torch
from emosym_registry import EmosymError
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

    def set_gaussians(self, mean: Tensor, std: Tensor) -> None:
        """Take means and deviations [C,K+1,D] of independent Gaussians from another program, context first.

        Errors: ``emotion-space.fitted-only`` where a space is no such thing.
        """
        raise EmosymError(
            "emotion-space.fitted-only",
            f"emotion space {self.context.component or type(self).__name__} is fitted to states and takes no statistics",
            hint="use emotion_space: diagonal",
        )

    @abstractmethod
    def sample(self, mixture: Tensor, generator: torch.Generator) -> States:
        """States of B images; ``mixture`` [B,C] are class weights that sum to one (one-hot for a pure emotion)."""
