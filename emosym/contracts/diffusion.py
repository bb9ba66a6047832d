"""DiffusionHead: makes images from fused reasoning vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor, nn

from emosym.contracts.adapters import differences
from emosym.contracts.data import Context
from emosym.contracts.footprint import Footprint, Workload

PLACEHOLDER = "{emotion}"
"""Where the fused vectors go in a prompt such as ``"a {emotion} street"``."""

Vectors = tuple[Tensor, ...]
"""u: one tensor [B,n,w] for each text encoder of the head, with gradients to whatever made them."""


@dataclass(frozen=True)
class Condition:
    """What the denoiser sees: ``hidden`` [B,L,w] cross-attention states, ``pooled`` [B,p] or None (SDXL), and
    ``extra`` conditioning of the family (time ids). Indexing picks samples."""

    hidden: Tensor
    pooled: Tensor | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, index: Any) -> Condition:
        return Condition(
            self.hidden[index],
            None if self.pooled is None else self.pooled[index],
            {name: value[index] for name, value in self.extra.items()},
        )

    def __len__(self) -> int:
        return int(self.hidden.shape[0])


class DiffusionHead(nn.Module, ABC):
    """A text-to-image diffusion model with frozen base whose prompts take vectors in place of a placeholder.

    Vectors enter by a hook that lives for one call; the vocabulary never changes. A prompt that would overflow the
    encoder's length is an error, never cut.
    """

    config: Any
    context: Context

    @classmethod
    def footprint(cls, config: Any, context: Context, load: Workload) -> Footprint | None:
        """Memory of one step, from configs alone: nothing is loaded and nothing fetched. None says it is not known."""
        return None

    @property
    @abstractmethod
    def token_widths(self) -> tuple[int, ...]:
        """Embedding width of each text encoder."""

    @property
    @abstractmethod
    def image_size(self) -> int:
        """Side of the square pictures it makes, in pixels."""

    @property
    @abstractmethod
    def token_norms(self) -> tuple[float, ...]:
        """Mean norm of the vocabulary's embeddings, per text encoder: the scale of a good vector."""

    @abstractmethod
    def condition(self, vectors: Vectors | None, prompts: Sequence[str]) -> Condition:
        """Encode prompts with ``vectors`` at :data:`PLACEHOLDER`; None takes prompts without a placeholder.
        Differentiable in ``vectors``."""

    @abstractmethod
    def latents(self, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """VAE latents, scaled, without gradient, of ``pixels`` [B,3,H,W] in [-1,1]; H = W = ``image_size``."""

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
        None takes the defaults of the model's own config. ``init_image`` [B,3,H,W] in [-1,1] starts from a picture."""

    def adapters(self) -> dict[str, nn.Parameter]:
        """Trainable parameters of the head (UNet LoRA); empty by default."""
        return {}

    def adapter_state(self) -> dict[str, Tensor]:
        """What a checkpoint saves of the head."""
        return {name: parameter.detach() for name, parameter in self.adapters().items()}

    def load_adapter_state(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of :meth:`adapter_state`; missing, unexpected or differently shaped tensors are an error."""
        own = self.adapters()
        wrong = differences(own, state)
        if wrong:
            raise EmosymError(
                "diffusion.adapter-mismatch",
                f"the saved adapter of the diffusion head does not fit: {wrong}",
                hint="use the head and the adapter settings that it was saved with",
            )
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(state[name])

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the weights that make the images, stable between processes; recorded with each bank entry."""
