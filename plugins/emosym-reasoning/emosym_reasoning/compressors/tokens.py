"""The reasoning tokens themselves, shared by all compressors; alone they are the compressor ``none``."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from emosym_registry import EmosymError
from torch import Tensor, nn
from typing_extensions import TypeVar

from emosym.contracts import CompressBatch, Context, LossTerms, ReasoningCompressor, States
from emosym_reasoning.config import TokensConfig

TokensConfigT = TypeVar("TokensConfigT", bound=TokensConfig, default=TokensConfig)
START_STD = 0.02
"""Scale of tokens that were never given their backbone's."""


def untouched(parameters: Mapping[str, nn.Parameter], like: Tensor) -> Tensor:
    """Zero, connected to ``parameters``: where several processes train, each waits for the gradient of every one."""
    return sum((one.sum() * 0.0 for one in parameters.values()), like.new_zeros((), dtype=torch.float32))


def share_of(present: Tensor) -> dict[str, float]:
    """The value that says which share of a batch has text."""
    return {"knowledge_present": float(present.float().mean())}


class TokensOnly(ReasoningCompressor[TokensConfigT]):
    """[CTX]×K and [EMO] as one table [K+1,D], without a knowledge loss.

    With ``control`` set the table is a buffer instead of a parameter, so that nothing can unfreeze it.
    """

    table: Tensor

    def __init__(self, config: TokensConfigT, context: Context) -> None:
        super().__init__(config, context)
        table = torch.empty(config.tokens + 1, context.hidden_size)
        if config.control is None:
            self.table = nn.Parameter(table)
        else:
            self.register_buffer("table", table)
        self.initialise(torch.zeros(context.hidden_size), START_STD)

    @property
    def context_tokens(self) -> int:
        return self.config.tokens

    def initialise(self, mean: Tensor, std: float) -> None:
        generator = torch.Generator().manual_seed(self.context.seed)
        noise = torch.randn(self.table.shape, generator=generator)
        start = mean.detach().float().cpu() + float(std) * noise
        with torch.no_grad():
            self.table.copy_(torch.zeros_like(start) if self.config.control == "zero" else start)

    def set_tokens(self, tokens: Tensor) -> None:
        if tokens.shape != self.table.shape:
            raise EmosymError(
                "compressor.other-tokens",
                f"tokens are {list(tokens.shape)}, this compressor has {list(self.table.shape)}",
                hint=f"set compressor.params.tokens to {len(tokens) - 1}, for a backbone of that width",
            )
        with torch.no_grad():
            self.table.copy_(tokens)

    def tokens(self, batch: int) -> Tensor:
        return self.table[None].expand(batch, -1, -1)

    def loss(self, batch: CompressBatch) -> LossTerms:
        return LossTerms(untouched(self.knowledge_parameters(), batch.logits), {"knowledge_present": 0.0})

    def project(self, states: States) -> Tensor | None:
        return None
