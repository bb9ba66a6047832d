"""Layers whose start depends on a generator alone, never on torch's global state."""

from __future__ import annotations

import math

import torch
from torch import nn


def linear(inputs: int, outputs: int, generator: torch.Generator, *, bias: bool = True) -> nn.Linear:
    """A linear layer that starts as torch's own does: uniform within ±1/√inputs."""
    # Not skip_init: its detour over the meta device imports sympy, seconds of every start.
    with torch.random.fork_rng(devices=[]):
        layer = nn.Linear(inputs, outputs, bias)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        if bias:
            layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


def mlp(
    inputs: int, hidden: int, outputs: int, generator: torch.Generator, activation: str = "gelu"
) -> nn.Sequential:
    """Linear, GELU or ReLU, Linear."""
    between = {"gelu": nn.GELU, "relu": nn.ReLU}[activation]()
    return nn.Sequential(linear(inputs, hidden, generator), between, linear(hidden, outputs, generator))
