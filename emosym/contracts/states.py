"""What a backbone says of images, and what a loss says of it: B images, K context tokens, D the width, G tries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Index = int | slice | list[int] | Tensor | tuple[slice, ...]
"""Picks some of the B images."""


@dataclass(frozen=True)
class States:
    """Hidden states at the reasoning tokens: ``context`` [B,K,D] and ``emotion`` [B,D].

    Those of rollouts have one more axis, [B,G,K,D] and [B,G,D].
    """

    context: Tensor
    """At [CTX]×K, in their order."""
    emotion: Tensor
    """At [EMO], which stands after them and has seen them."""

    @classmethod
    def split(cls, states: Tensor) -> States:
        """From the states [B,K+1,D] of [CTX]×K [EMO]."""
        return cls(states[:, :-1], states[:, -1])

    def joined(self) -> Tensor:
        """[B,K+1,D], context first."""
        return torch.cat([self.context, self.emotion[:, None]], 1)

    def detach(self) -> States:
        """The same values without gradient."""
        return States(self.context.detach(), self.emotion.detach())

    def __getitem__(self, index: Index) -> States:
        """Some of the B images."""
        return States(self.context[index], self.emotion[index])

    def __len__(self) -> int:
        """B."""
        return int(self.emotion.shape[0])

    @staticmethod
    def cat(parts: Sequence[States]) -> States:
        """Joined along B."""
        return States(torch.cat([p.context for p in parts]), torch.cat([p.emotion for p in parts]))


@dataclass(frozen=True)
class LossTerms:
    """A scalar ``loss`` to minimise and the named scalars to log beside it."""

    loss: Tensor
    values: Mapping[str, float] = field(default_factory=dict)
    logits: Tensor | None = None
    """Of a reinforcer: logits [B,C] (known up to a constant) of the tokens as they are, with their graph, where it has read
    them so; the stage then reads no second time for its cross entropy."""
