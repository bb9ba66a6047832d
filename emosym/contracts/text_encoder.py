"""TextEncoder: frozen features of text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts.component import Component, ConfigT
from emosym.toolkit.modes import Frozen


class TextEncoder(Component[ConfigT], Frozen):
    """Frozen text features, by :meth:`encode`, by :meth:`token_states`, or both. Long text is split and averaged or
    refused, never cut silently."""

    @property
    @abstractmethod
    def width(self) -> int:
        """W, the width of its features and of its token states."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit-norm features [B,W], float32, no gradient. By default the mean of the token states, brought to unit length."""
        with torch.no_grad():
            states, mask = self.token_states(texts)
            weights = mask[..., None].to(states.dtype)
            mean = (states * weights).sum(1) / weights.sum(1).clamp_min(1)
            return torch.nn.functional.normalize(mean.float(), dim=-1)

    def token_states(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States [B,L,W] of the tokens and which of them are real, bool [B,L]; no gradient.

        Errors: ``text.no-token-states`` where an encoder has features alone.
        """
        raise EmosymError(
            "text.no-token-states",
            f"text encoder {self.context.component or type(self).__name__} gives features, not states of tokens",
            hint="choose a text encoder that gives both",
        )
