"""Training and eval mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from torch import nn


class Frozen(nn.Module):
    """A module that stays in eval mode, whatever mode it is put in: nothing in it drops out or keeps statistics."""

    def train(self, mode: bool = True) -> Self:
        return super().train(False)


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """Eval mode inside, and every module's own mode again afterwards."""
    training = [part for module in modules for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True
