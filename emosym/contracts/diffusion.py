"""DiffusionHead: makes images from fused reasoning vectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from emosym.contracts.adapted import AdaptedModule
from emosym.contracts.component import ConfigT
from emosym.contracts.states import Index

Vectors = tuple[Tensor, ...]
"""u: one tensor [B,n,w] for each of the head's ``token_widths``, with gradients to whatever made them."""


@dataclass(frozen=True)
class Condition:
    """What the denoiser sees: ``hidden`` [B,L,w] cross-attention states, ``pooled`` [B,p] or None (SDXL), and
    ``extra`` conditioning of the family (time ids). Indexing picks samples."""

    hidden: Tensor
    pooled: Tensor | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, index: Index) -> Condition:
        return Condition(
            self.hidden[index],
            None if self.pooled is None else self.pooled[index],
            {name: value[index] for name, value in self.extra.items()},
        )

    def __len__(self) -> int:
        return int(self.hidden.shape[0])


class Watcher:
    """An ``on_step`` that also sees the picture so far, where the head can show it; it changes nothing of the picture."""

    def __call__(self, done: int, total: int) -> None:
        """What any ``on_step`` is told after each step; what it raises ends the sampling."""

    def wants(self, done: int, total: int) -> bool:
        """Whether to decode the picture after this step, which costs as much as at the end."""
        return True

    def see(self, pictures: Tensor) -> None:
        """The pictures so far, float32 [B,3,H,W] in [0,1], after a step that it wants."""


class DiffusionHead(AdaptedModule[ConfigT]):
    """A diffusion model with a frozen base that is conditioned by fused vectors.

    A head with the capability ``text`` has text encoders, any number of them: vectors take a placeholder's place in its
    prompts by a hook that lives for one call, the vocabulary never changes, and a prompt that would overflow an encoder's
    length is an error, never cut. One without takes the vectors as they are and ignores what prompts say.
    """

    @property
    @abstractmethod
    def token_widths(self) -> tuple[int, ...]:
        """Width of the vectors that each text encoder takes (or each other input for vectors of a head without text)."""

    @property
    @abstractmethod
    def token_norms(self) -> tuple[float, ...]:
        """Norm of a good vector for each of ``token_widths``, such as the mean norm of a vocabulary's embeddings."""

    @property
    @abstractmethod
    def image_size(self) -> tuple[int, int]:
        """Width and height of the pictures it makes, in pixels."""

    @abstractmethod
    def condition(self, vectors: Vectors | None, prompts: Sequence[str]) -> Condition:
        """Encode prompts with ``vectors`` at :data:`PLACEHOLDER`; None takes prompts without a placeholder.
        Differentiable in ``vectors``."""

    @abstractmethod
    def latents(self, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """VAE latents, scaled, without gradient, of ``pixels`` [B,3,H,W] in [-1,1], of the size ``image_size``."""

    @abstractmethod
    def loss(
        self, latents: Tensor, condition: Condition, generator: torch.Generator, weights: Tensor | None = None
    ) -> Tensor:
        """Denoising loss [B] at random times drawn from ``generator``, each scaled by ``weights`` [B] where given;
        gradients flow to the condition only (and to the head's own adapters where it has any)."""

    @abstractmethod
    def sample(
        self,
        condition: Condition,
        *,
        generators: Sequence[torch.Generator],
        steps: int | None = None,
        guidance_scale: float | None = None,
        init_image: Tensor | None = None,
        strength: float = 0.8,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Images float32 [B,3,H,W] in [0,1]; one generator a picture, so a picture does not depend on its batch.
        None takes the defaults of the model's own config. ``init_image`` [B,3,H,W] in [-1,1] starts from a picture,
        of which ``strength`` 0 keeps all and 1 nothing. An ``on_step`` that is a :class:`Watcher` may be shown the
        pictures on their way."""

    def sampling(self, steps: int | None = None, guidance_scale: float | None = None) -> Mapping[str, Any]:
        """What :meth:`sample` would use for these arguments, as plain values for a picture's recipe: ``steps`` and
        ``guidance_scale`` with its own defaults in place of None, and by what name it samples (``sampler``)."""
        return {"steps": steps, "guidance_scale": guidance_scale}

    def screen(self, pictures: Tensor) -> Tensor:
        """Which of ``pictures`` [B,3,H,W] in [0,1] nobody should be shown, as a mask [B]; it changes none of them. Everything
        that :meth:`sample` makes passes here, and what is flagged becomes black. None is where the head has no safety
        checker, as here."""
        return torch.zeros(len(pictures), dtype=torch.bool, device=pictures.device)

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the weights that make the images, stable between processes; recorded with each bank entry."""
