"""Fusion ``resampler``: learned queries that attend to the states, one by one."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emosym_reasoning.config import ResamplerConfig
from emosym_reasoning.fusions.base import MappedFusion
from emosym_reasoning.layers import linear, mlp

GROWTH = 4
"""Width of the feed-forward layer, in widths."""


class Resampler(MappedFusion[ResamplerConfig]):
    """n queries attend to the states of [CTX]×K and [EMO]; what they find is projected to each text encoder's width.

    Each state keeps its place (a learned vector a place), so a query may take the scene from one and the emotion from
    another, where a mean has lost the difference. Source: the Perceiver resampler (Jaegle et al. 2021, Alayrac et al.
    2022), as IP-Adapter-Plus has it (Ye et al. 2023).
    """

    @property
    def form(self) -> Literal["mean", "flatten"]:
        return "flatten"

    def _build(self, generator: torch.Generator) -> None:
        width, places = self.config.width, self.context.context_tokens + 1
        self.into = linear(self.context.hidden_size, width, generator)
        self.places = _drawn(places, width, generator)
        self.queries = _drawn(self.config.vectors, width, generator)
        self.layers = nn.ModuleList(
            _Attending(width, self.config.heads, generator) for _ in range(self.config.layers)
        )
        self.norm_out = nn.LayerNorm(width)
        self.out = nn.ModuleList(linear(width, one, generator) for one in self.context.token_widths)

    def _mix(self, emotion: Tensor, context: Tensor) -> Tensor:
        states = torch.cat([context.unflatten(1, (-1, emotion.shape[1])), emotion[:, None]], 1)
        states = self.into(states) + self.places
        queries = self.queries.expand(len(states), -1, -1)
        for layer in self.layers:
            queries = layer(queries, states)
        queries = self.norm_out(queries)
        return torch.cat([project(queries).flatten(1) for project in self.out], -1)


class _Attending(nn.Module):
    """Queries [B,n,W] after one layer of attention to states [B,K+1,W] and to one another, and a feed-forward layer."""

    def __init__(self, width: int, heads: int, generator: torch.Generator) -> None:
        super().__init__()
        self.heads = heads
        self.norm_queries, self.norm_states, self.norm_forward = (nn.LayerNorm(width) for _ in range(3))
        # Without biases, as Perceivers are: a bias of the keys cancels in the softmax and would never learn.
        self.to_query, self.to_key, self.to_value, self.to_out = (
            linear(width, width, generator, bias=False) for _ in range(4)
        )
        self.forward_layers = mlp(width, GROWTH * width, width, generator)

    def forward(self, queries: Tensor, states: Tensor) -> Tensor:
        asking = self.norm_queries(queries)
        seen = torch.cat([self.norm_states(states), asking], 1)
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_query(asking), self.to_key(seen), self.to_value(seen))
        )
        found = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        queries = queries + self.to_out(found)
        after: Tensor = queries + self.forward_layers(self.norm_forward(queries))
        return after


def _drawn(rows: int, width: int, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(torch.randn(rows, width, generator=generator) / math.sqrt(width))
