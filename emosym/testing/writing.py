"""A backbone without a language model, for components that let a backbone read or write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from emosym.contracts import QUESTION, Backbone, Context, Prefix, Sample
from emosym.contracts.config import ComponentConfig
from emosym.toolkit import stamp, tensors

COLOURS = ("red", "green", "blue")
WORDS = ("nothing", "hardly anything", "a little", "something", "much", "very much")


class ColourBackbone(Backbone[ComponentConfig]):
    """Sees how much red, green and blue the four quarters of a picture hold, and writes that down."""

    def __init__(self, config: ComponentConfig, context: Context) -> None:
        super().__init__(config, context)
        generator = torch.Generator().manual_seed(context.seed)
        self.weight = torch.nn.Parameter(torch.randn(12, self.hidden_size, generator=generator), False)

    @property
    def hidden_size(self) -> int:
        return self.context.hidden_size or 16

    def forward(self, samples: Sequence[Sample], tokens: Tensor, question: str = QUESTION) -> Tensor:
        return self.read(self.encode(samples, question), tokens)

    @torch.no_grad()
    def encode(self, samples: Sequence[Sample], question: str = QUESTION) -> Prefix:
        seen = torch.stack([_quarters(sample) for sample in samples])
        ones = torch.ones(len(samples), 1, dtype=torch.long)
        return Prefix(seen, seen @ self.weight, ones, ones[:, 0], ones[:, 0], self.fingerprint())

    def read(self, prefix: Prefix, tokens: Tensor) -> Tensor:
        groups = len(tokens) // len(prefix.last_hidden)
        return tokens + prefix.last_hidden.repeat_interleave(groups, 0)[:, None]

    def write(self, prefix: Prefix, tokens: Tensor | None = None, max_new_tokens: int = 32) -> list[str]:
        return [" ".join(_in_words(seen).split()[:max_new_tokens]) for seen in prefix.cache]

    def typical_embedding(self) -> tuple[Tensor, float]:
        return torch.zeros(self.hidden_size), 1.0

    def fingerprint(self) -> str:
        return stamp(tensors(self))


def _quarters(sample: Sample) -> Tensor:
    """Mean colours [12] of a picture's quarters, from 0 to 1."""
    small = sample.open()[0].resize((2, 2))
    return torch.from_numpy(np.asarray(small, dtype=np.float32).reshape(-1) / 255)


def _in_words(seen: Tensor) -> str:
    steps = (seen * (len(WORDS) - 1)).round().long().tolist()
    return ", ".join(f"{WORDS[step]} {COLOURS[place % 3]}" for place, step in enumerate(steps))
