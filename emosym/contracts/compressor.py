"""ReasoningCompressor: owns the reasoning tokens and presses knowledge into them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.sample import Sample
from emosym.contracts.states import LossTerms, States


@dataclass(frozen=True)
class CompressBatch:
    """What the stage compress tells a compressor of B samples: how the system reads them, and what is known of them."""

    samples: Sequence[Sample]
    states: States
    """At the reasoning tokens, with gradient."""
    logits: Tensor
    """[B,C] of the emotion head, with gradient to it and to the states."""
    labels: Tensor
    """[B], -1 where unlabelled."""
    targets: Tensor
    """[B,C], the shares of the emotions by which a labelled sample is taught (``Sample.target``, else one for its label);
    rows of zeros where unlabelled."""
    texts: Sequence[str | None]
    """The knowledge in words, None where a sample has none."""
    knowledge: Tensor | None
    """Features [B,W] of the texts, zeros where there is none; None in a run without knowledge."""
    present: Tensor
    """Bool [B], which samples have a text."""
    step: int
    """Optimiser steps of this stage that are done, for what grows or fades over them."""
    steps: int
    """Optimiser steps of this stage in all."""
    layers: Tensor | None
    """States [L,B,K+1,D] after each of the backbone's layers, the last of which are ``states``; None unless the compressor's
    ``reads_layers`` is True."""
    read: Callable[[Sequence[int], Sequence[str]], tuple[Tensor, Tensor]]
    """``read(rows, texts)``: some of the samples, read by the same system with one text each in the prompt, before the
    tokens. Gives states [L,n,K+1,D] after each layer and logits [n,C], with gradient unless under ``torch.no_grad()``."""


class ReasoningCompressor(Component[ConfigT], nn.Module):
    """Owns the token parameters μ and the knowledge projection."""

    reads_layers: ClassVar[bool] = False
    """Whether its loss looks at ``CompressBatch.layers``."""

    @property
    @abstractmethod
    def context_tokens(self) -> int:
        """K, the number of [CTX] tokens."""

    @abstractmethod
    def initialise(self, mean: Tensor, std: float) -> None:
        """Start the tokens at the scale of the backbone's vocabulary: ``mean`` [D], ``std`` per element, drawn from
        ``context.seed``. Called once, right after the compressor is built; a saved system loads its tokens over it."""

    @abstractmethod
    def set_tokens(self, tokens: Tensor) -> None:
        """Take the tokens [K+1,D] of another program, [CTX]×K then [EMO]; another shape is an error."""

    @abstractmethod
    def tokens(self, batch: int) -> Tensor:
        """[B,K+1,D]: [CTX]×K then [EMO], with gradients to the parameters."""

    @abstractmethod
    def loss(self, batch: CompressBatch) -> LossTerms:
        """How far the reading of a batch is from its knowledge; zero, with values that say so, where the run has none.

        Batches come in every mix: no sample with a text, none with a label, none with both. The loss is then that of the
        others, or a zero that is connected to every parameter of :meth:`knowledge_parameters`, for which other processes
        may have a gradient.
        """

    def calibrate(self, knowledge: Tensor) -> None:
        """Look at the features [N,W] of the texts of all training samples that will be drawn, labelled or not: once, before the
        first step of the stage compress. What is taken from them belongs into buffers, which are saved."""

    @abstractmethod
    def project(self, states: States) -> Tensor | None:
        """Context states in the text encoder's space [B,W], or None where there is no knowledge space."""

    def knowledge_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters by name that :meth:`loss` alone reaches (a projection, a teacher). Stages after compress, which have no
        knowledge loss, leave them frozen; all other parameters are the tokens."""
        return {}
