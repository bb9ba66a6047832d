"""Fusion: from states to vectors for the diffusion prompt."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import nn

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.diffusion import Vectors
from emosym.contracts.states import States


class Fusion(Component[ConfigT], nn.Module):
    """Turns states into vectors for the diffusion prompt: D → one tensor a text encoder."""

    @property
    @abstractmethod
    def vectors(self) -> int:
        """n, how many vectors take the place of the placeholder in a prompt."""

    @abstractmethod
    def calibrate(self, norms: Sequence[float], states: States) -> None:
        """Learn scales from ``norms``, the diffusion head's ``token_norms`` (one a text encoder), and ``states`` of N images.

        The stage unify calls it once, before its first step, with the states of up to 1024 training images as the
        backbone gives them; a run that goes on from a checkpoint, and a saved system, load the scales instead: keep
        them in buffers.
        """

    @abstractmethod
    def forward(self, states: States) -> Vectors:
        """u: for each text encoder i one tensor [B,n,w_i], w_i of ``context.token_widths``, with gradients to ``states``."""
