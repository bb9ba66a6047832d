"""What the checks of backbones are done with: samples of mixed sizes, tokens at the vocabulary's scale,
states."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from emosym.contracts import QUESTION, Prefix, Sample
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import picture, samples
from emosym.testing.probes import gap, in_mode

BATCH, COUNT = 3, 3
"""Samples, and tokens of each."""


class BackboneChecks(ComponentSuite):
    """Three samples of three sizes, read through three tokens each, in eval mode."""

    sizes: ClassVar[Sequence[tuple[int, int]]] = ((64, 64), (112, 48), (40, 72))
    """Widths and heights of the pictures; a batch holds all of them."""
    tolerance: ClassVar[float] = 1e-4
    """Two readings that must be equal may differ by this share of the largest state; raise it for half
    precision."""

    def samples(self, count: int = BATCH) -> list[Sample]:
        """Labelled samples with one picture each."""
        return samples(count, sizes=self.sizes)

    def pair(self) -> Sample:
        """A sample with two pictures."""
        first, second = self.samples(2)
        return dataclasses.replace(first, id="pair", images=(*first.images, *second.images))

    def other(self, sample: Sample) -> Sample:
        """The same sample with other pictures of the same sizes."""
        shown = tuple(picture(90 + n, image.size) for n, image in enumerate(sample.open()))
        return dataclasses.replace(sample, images=shown)

    def tokens(self, rows: int = BATCH, *, seed: int = 0) -> Tensor:
        """Tokens [rows,3,D] at the scale that the backbone says is typical."""
        mean, std = self.subject.typical_embedding()
        noise = torch.randn(
            rows, COUNT, self.subject.hidden_size, generator=torch.Generator().manual_seed(seed)
        )
        tokens: Tensor = mean.cpu().float() + std * noise
        return tokens

    @torch.no_grad()
    def states(
        self,
        batch: Sequence[Sample] | None = None,
        tokens: Tensor | None = None,
        *,
        by: Any = None,
        question: str = QUESTION,
    ) -> Tensor:
        """States of one pass in eval mode, without a graph."""
        backbone = by or self.subject
        batch = self.samples() if batch is None else batch
        tokens = self.tokens(len(batch)) if tokens is None else tokens
        with in_mode(backbone, training=False):
            states: Tensor = backbone(batch, tokens, question)
        return states

    def apart(self, one: Tensor, other: Tensor) -> float:
        """The largest difference as a share of the largest state."""
        return gap(one, other) / max(float(one.detach().abs().max()), 1e-12)

    def prefix(self, batch: Sequence[Sample] | None = None, by: Any = None) -> Prefix:
        """Of the three samples."""
        prefix: Prefix = (by or self.subject).encode(self.samples() if batch is None else batch)
        return prefix
