"""Putting vectors in place of token embeddings, for the length of one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def embedded(layer: nn.Module, slots: tuple[Tensor, Tensor], vectors: Tensor) -> Iterator[None]:
    """Inside, ``layer``'s output has ``vectors`` [B,T,D] at ``slots``, (rows [B,1], columns [B,T]).

    The hook sits on the embedding layer alone, so the stock forward runs unchanged around it. It is differentiable in
    ``vectors`` and gone afterwards, also after an error.
    """

    def replace(_: nn.Module, __: tuple[Any, ...], output: Tensor) -> Tensor:
        return output.index_put(slots, vectors.to(output.device, output.dtype))

    handle = layer.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
