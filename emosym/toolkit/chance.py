"""Random numbers that belong to a sample of the batch, not to the process that happens to hold it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class BatchGenerator(torch.Generator):
    """A generator of one of several processes that share a batch: process ``rank`` of ``world`` holds the rows
    ``rank::world``. All of them start it from one seed."""

    rank = 0
    world = 1


def drawn(draw: Callable[[int], Tensor], rows: int, generator: torch.Generator | None) -> Tensor:
    """``draw(n)`` [n,…] from ``generator`` for ``rows`` samples of the batch that are this process's.

    The draw is made for the whole batch and the own rows are taken, so that any number of processes trains on the numbers
    that one would: ``drawn(lambda n: torch.randn(n, 4, generator=g), len(samples), g)``. With a generator that is no
    :class:`BatchGenerator`, ``draw(rows)``.
    """
    if not isinstance(generator, BatchGenerator) or generator.world == 1:
        return draw(rows)
    return draw(rows * generator.world)[generator.rank :: generator.world]
