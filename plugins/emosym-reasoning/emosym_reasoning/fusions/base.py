"""What fusions share: inputs at unit scale, one output split over text encoders, norms kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from emosym_registry import EmosymError
from torch import Tensor, nn
from typing_extensions import TypeVar

from emosym.contracts import Context, Fusion, States, Vectors
from emosym_reasoning.config import FusionConfig, VectorsConfig

VectorsConfigT = TypeVar("VectorsConfigT", bound=VectorsConfig, default=FusionConfig)


class MappedFusion(Fusion[VectorsConfigT]):
    """Inputs at unit scale, one output split over text encoders, norms kept.

    ``calibrate`` takes the states as the backbone gives them; ``forward`` takes them with the stage's context
    weight applied, so that standardising does not undo the weight.
    """

    emotion_mean: Tensor
    emotion_std: Tensor
    context_mean: Tensor
    context_std: Tensor
    norms: Tensor

    def __init__(self, config: VectorsConfigT, context: Context) -> None:
        super().__init__(config, context)
        if not context.token_widths:
            raise EmosymError(
                "fusion.no-diffusion",
                "a fusion needs a diffusion head to make vectors for",
                hint="add diffusion: to the spec",
            )
        if self.form == "flatten" and not context.context_tokens:
            raise EmosymError(
                "fusion.unknown-tokens",
                f"fusion {context.component or type(self).__name__} takes each context state for itself, and needs their number",
                hint="use a fusion of their mean (context: mean)",
            )
        self.widths = tuple(config.vectors * width for width in context.token_widths)
        self.context_inputs = context.hidden_size * (context.context_tokens if self.form == "flatten" else 1)
        for name, size in (("emotion", context.hidden_size), ("context", self.context_inputs)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))
        if config.norm == "vocabulary":
            self.register_buffer("norms", torch.ones(len(context.token_widths)))
            self.log_gain = nn.Parameter(torch.zeros(len(context.token_widths), config.vectors))
        self._build(torch.Generator().manual_seed(context.seed + 2))

    @property
    @abstractmethod
    def form(self) -> Literal["mean", "flatten"]:
        """How K context states enter: their mean, or one after the other."""

    @abstractmethod
    def _build(self, generator: torch.Generator) -> None:
        """Make the layers."""

    @abstractmethod
    def _mix(self, emotion: Tensor, context: Tensor) -> Tensor:
        """[B,D] and [B,K·D] or [B,D] to [B,Σ n·w_i]."""

    @property
    def vectors(self) -> int:
        return self.config.vectors

    @torch.no_grad()
    def calibrate(self, norms: Sequence[float], states: States) -> None:
        if len(norms) != len(self.context.token_widths):
            raise EmosymError(
                "fusion.norms",
                f"{len(norms)} norms for {len(self.context.token_widths)} text encoders",
                ours=True,
            )
        if self.config.norm == "vocabulary":
            self.norms.copy_(torch.as_tensor(norms))
        if self.config.standardise:
            for name, rows in (("emotion", states.emotion), ("context", self._flat(states.context))):
                rows = rows.float()
                std = rows.std(0, correction=0)
                # A feature without spread says nothing; dividing by its rounding error would make it shout.
                std = torch.where(std > 1e-6 * rows.abs().mean().clamp_min(1e-12), std, torch.ones_like(std))
                getattr(self, f"{name}_mean").copy_(rows.mean(0))
                getattr(self, f"{name}_std").copy_(std)

    def forward(self, states: States) -> Vectors:
        emotion = (states.emotion - self.emotion_mean) / self.emotion_std
        context = (self._flat(states.context) - self.context_mean) / self.context_std
        parts = self._mix(emotion, context).split(self.widths, dim=-1)
        vectors = [part.unflatten(-1, (self.config.vectors, -1)) for part in parts]
        if self.config.norm == "free":
            return tuple(vectors)
        gains = self.log_gain.exp() * self.norms[:, None]
        return tuple(
            F.normalize(part.float(), dim=-1) * gain[:, None]
            for part, gain in zip(vectors, gains, strict=True)
        )

    def _flat(self, context: Tensor) -> Tensor:
        return context.flatten(1) if self.form == "flatten" else context.mean(1)


class PairFusion(MappedFusion[FusionConfig]):
    """A fusion whose layers take the emotion state and the context as two vectors."""

    @property
    def form(self) -> Literal["mean", "flatten"]:
        return self.config.context
