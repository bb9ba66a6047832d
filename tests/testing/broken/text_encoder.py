"""A correct text encoder, and one broken text encoder for each check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emosym.contracts import ComponentConfig, Context, TextEncoder
from emosym.testing import HashingTextEncoder, TextEncoderSuite


class Config(ComponentConfig):
    """No parameters."""


class Right(HashingTextEncoder):
    """A random vector for each word."""


class Narrow(Right):
    def encode(self, texts: Sequence[str]) -> Tensor:
        return super().encode(texts)[:, :-1]


class Loud(Right):
    def encode(self, texts: Sequence[str]) -> Tensor:
        return super().encode(texts) * torch.tensor([[len(text)] for text in texts])


class Learning(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.gain = nn.Parameter(torch.ones(context.text_width))

    def encode(self, texts: Sequence[str]) -> Tensor:
        return super().encode(texts) * self.gain


class Dropping(Right):
    calls = 0

    def encode(self, texts: Sequence[str]) -> Tensor:
        self.calls += 1
        return super().encode(texts).roll(self.calls, -1)


class Neighbourly(Right):
    def encode(self, texts: Sequence[str]) -> Tensor:
        own = super().encode(texts)
        return nn.functional.normalize(own + own.mean(0), dim=-1)


class Deaf(Right):
    def encode(self, texts: Sequence[str]) -> Tensor:
        return super().encode(["something"] * len(texts))


class Cutting(Right):
    def encode(self, texts: Sequence[str]) -> Tensor:
        return super().encode([text[:77] for text in texts])


class Dividing(Right):
    def encode(self, texts: Sequence[str]) -> Tensor:
        rows = super().encode(texts)
        return rows / rows.norm(dim=-1, keepdim=True)


class Drawing(Right):
    def encode(self, texts: Sequence[str]) -> Tensor:
        torch.rand(1)
        return super().encode(texts)


class AddsWord(Right):
    """Adds a word of its own that depends on the batch."""

    def token_states(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        states, mask = super().token_states(texts)
        padding = torch.full_like(states[:, :1], 1.0 / len(texts))
        return torch.cat([states, padding], 1), torch.cat([mask, torch.ones_like(mask[:, :1])], 1)


class FeaturesAlone(Right):
    """Has no states of tokens."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        states, mask = super().token_states([text or "nothing" for text in texts])
        return nn.functional.normalize((states * mask[..., None]).sum(1), dim=-1)

    def token_states(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        return TextEncoder.token_states(self, texts)


class Careful(Right):
    """Gives an empty text a place of its own."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        return super().encode([text or "nothing" for text in texts])


def suite(encoder: type[Any]) -> type[TextEncoderSuite]:
    """The suite of one text encoder."""
    return type(encoder.__name__, (TextEncoderSuite,), {"implementation": encoder, "config": Config})


GOOD = suite(Careful)
ALSO_GOOD = (suite(FeaturesAlone),)
BROKEN = {
    "text-encoder.shape": suite(Narrow),
    "text-encoder.token-states": suite(AddsWord),
    "text-encoder.unit-norm": suite(Loud),
    "text-encoder.frozen": suite(Learning),
    "text-encoder.deterministic": suite(Dropping),
    "text-encoder.batch": suite(Neighbourly),
    "text-encoder.tells-apart": suite(Deaf),
    "text-encoder.long-text": suite(Cutting),
    "text-encoder.empty-text": suite(Dividing),
    "text-encoder.random-state": suite(Drawing),
}
