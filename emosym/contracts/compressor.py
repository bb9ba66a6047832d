"""ReasoningCompressor: owns the reasoning tokens and presses knowledge into them."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.states import LossTerms, States


class ReasoningCompressor(Component[ConfigT], nn.Module):
    """Owns the token parameters μ and the knowledge projection."""

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
    def loss(
        self, states: States, knowledge: Tensor | None, present: Tensor | None, labels: Tensor
    ) -> LossTerms:
        """How far the states are from the knowledge.

        ``knowledge`` [B,W] are text features and ``present`` bool [B] says which samples have any; both None when the
        run has no knowledge (the loss is then zero, and says so in its values). ``labels`` [B], -1 where unlabelled.
        """

    @abstractmethod
    def project(self, states: States) -> Tensor | None:
        """Context states in the text encoder's space [B,W], or None where there is no knowledge space."""

    def knowledge_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters by name that :meth:`loss` alone reaches (a projection). Stages after compress, which have no
        knowledge loss, leave them frozen; all other parameters are the tokens."""
        return {}
