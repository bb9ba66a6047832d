"""What never trains."""

from __future__ import annotations

from typing import Self

from torch import nn


class Frozen(nn.Module):
    """Stays in eval mode whatever mode it is put in: dropout or batch statistics would change what it says."""

    def train(self, mode: bool = True) -> Self:
        return super().train(False)
