"""What the checks of diffusion heads are done with: vectors, prompts, pictures, and calls of the head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from emosym.contracts import PLACEHOLDER, Condition, Vectors
from emosym.testing.checks import NotApplicable
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import picture
from emosym.testing.probes import gap, gradient
from emosym.toolkit import to_pixels

BATCH = 2


class DiffusionChecks(ComponentSuite):
    """Two prompts with two vectors each, seeded."""

    prompt: ClassVar[str] = f"a {PLACEHOLDER} street"
    """A prompt with text on both sides of the placeholder."""
    steps: ClassVar[int] = 3
    text: ClassVar[bool | None] = None
    """Whether the head takes prompts; None: as its component's capabilities say, and true where it is not
    registered."""

    def require_text(self) -> None:
        """End a check where the head takes no prompts."""
        registered = self.spec is None or "text" in self.spec.capabilities
        if not (registered if self.text is None else self.text):
            raise NotApplicable("the head takes no prompts")

    def prompts(self, count: int = BATCH) -> list[str]:
        """The same prompt for every sample."""
        return [self.prompt] * count

    def vectors(
        self, count: int = BATCH, *, seed: int = 0, gradient: bool = False, places: int = 2
    ) -> Vectors:
        """Random vectors [B,n,w] at the scale of each vocabulary."""
        draw = torch.Generator().manual_seed(seed)
        pairs = zip(self.subject.token_widths, self.subject.token_norms, strict=True)
        return tuple(
            (torch.randn(count, places, width, generator=draw) * norm / width**0.5).requires_grad_(gradient)
            for width, norm in pairs
        )

    def pixels(self, count: int = BATCH) -> Tensor:
        """Pictures [B,3,H,W] in [-1,1]."""
        size = self.subject.image_size
        return to_pixels([picture(number, size) for number in range(count)], size)

    @torch.no_grad()
    def condition(
        self, vectors: Vectors | None = None, prompts: Sequence[str] = (), *, seed: int = 0
    ) -> Condition:
        """Of the seeded vectors in the usual prompts, unless others are given; without a graph."""
        vectors = self.vectors(seed=seed) if vectors is None else vectors
        condition: Condition = self.subject.condition(vectors, prompts or self.prompts(len(vectors[0])))
        return condition

    def loss(
        self,
        condition: Condition | None = None,
        *,
        seed: int = 0,
        weights: Tensor | None = None,
        head: Any = None,
    ) -> Tensor:
        """The loss [2] of the pictures under a condition, at the times of a seed."""
        head = head or self.subject
        latents = self.keep("latents", lambda: self.subject.latents(self.pixels()))
        condition = self.condition() if condition is None else condition
        loss: Tensor = head.loss(latents, condition, torch.Generator().manual_seed(seed), weights)
        return loss

    def sample(
        self, condition: Condition | None = None, *, seeds: Sequence[int] = (1, 2), **settings: Any
    ) -> Tensor:
        """Pictures of a few steps, one seed each."""
        condition = self.condition() if condition is None else condition
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        settings = {"steps": self.steps, **settings}
        pictures: Tensor = self.subject.sample(condition, generators=generators, **settings)
        return pictures

    def missed(self, loss: Tensor, vectors: Vectors) -> list[str]:
        """Where vectors [B,n,w] receive no gradient from ``loss``, in words."""
        norms = [gradient(loss, one).norm(dim=-1) for one in vectors]
        return [
            f"text encoder {number}, sample {row}, vector {place}"
            for number, one in enumerate(norms)
            for row, place in (~(one > 0)).nonzero().tolist()
        ]

    def apart(self, one: Condition, other: Condition) -> float:
        """The largest difference of two conditions, in cross-attention states and pooled text."""
        pooled = 0.0 if one.pooled is None or other.pooled is None else gap(one.pooled, other.pooled)
        return max(gap(one.hidden, other.hidden), pooled)
