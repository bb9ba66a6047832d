"""What emotion spaces share: samples by class, mixtures, statistics that a fresh instance can load."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import ConfigT, Context, EmotionSpace, States


class Space(EmotionSpace[ConfigT]):
    """Statistics of x = [c;e], P = (K+1)·D features, as buffers.

    A mixture w is x = Σ_c w_c·μ_c + Σ_c √w_c·δ_c with independent deviations δ_c of each class: its mean is
    the mean of means, its covariance Σ_c w_c·Σ_c the mean of covariances, and a pure emotion is its own
    distribution. It lies between the emotions, as on a slider, and is no draw of one or the other.
    """

    statistics: tuple[str, ...] = ()
    """Names of the buffers beside ``mean`` and ``layout``."""
    mean: Tensor
    layout: Tensor

    def __init__(self, config: ConfigT, context: Context) -> None:
        super().__init__(config, context)
        self.register_buffer("layout", torch.zeros(2, dtype=torch.long))
        for name in ("mean", *self.statistics):
            self.register_buffer(name, torch.empty(0))

    @torch.no_grad()
    def fit(self, states: States, labels: Tensor) -> None:
        """Leaves out unlabelled states (-1) and gradients; keeps float32 on the states' device."""
        labels, joined = labels.to(states.emotion.device), states.joined().detach().float()
        rows = joined.flatten(1)
        if not bool(rows.isfinite().all()):
            raise EmosymError(
                "emotion-space.not-finite",
                "states hold NaN or infinity",
                hint="lower the learning rate",
                ours=True,
            )
        classes = [rows[labels == index] for index in range(len(self.context.labels))]
        empty = [name for name, rows in zip(self.context.labels.names, classes, strict=True) if not len(rows)]
        if empty:
            raise EmosymError(
                "emotion-space.empty-class",
                f"no labelled training image of {', '.join(empty)}: their states cannot be described",
                hint="use more training data, or labels that occur in it",
            )
        self.layout = torch.tensor(joined.shape[1:], device=rows.device)
        self.mean = torch.stack([members.mean(0) for members in classes])
        self._fit([members - mean for members, mean in zip(classes, self.mean, strict=True)])

    @torch.no_grad()
    def sample(self, mixture: Tensor, generator: torch.Generator) -> States:
        if not len(self.mean):
            raise EmosymError(
                "emotion-space.not-fitted",
                "the emotion space has no statistics yet",
                hint="train the unify stage first",
            )
        weights = mixture.to(self.mean)
        if weights.ndim != 2 or weights.shape[1] != len(self.mean):
            raise EmosymError(
                "emotion-space.mixture",
                f"a mixture is [B,{len(self.mean)}], got {list(weights.shape)}",
                ours=True,
            )
        if bool((weights < 0).any()) or not torch.allclose(
            weights.sum(1), torch.ones_like(weights[:, 0]), atol=1e-4
        ):
            raise EmosymError(
                "emotion-space.mixture",
                "weights of a mixture must be positive and sum to one",
                hint="e.g. awe 0.7, fear 0.3",
            )
        rows = weights @ self.mean + self._deviation(weights, generator)
        tokens, width = self.layout.tolist()
        return States.split(rows.view(-1, tokens, width))

    @abstractmethod
    def _fit(self, classes: list[Tensor]) -> None:
        """Set ``statistics`` from each class's centred rows [N_c,P]."""

    @abstractmethod
    def _deviation(self, weights: Tensor, generator: torch.Generator) -> Tensor:
        """Σ_c √w_c·δ_c [B,P] for ``weights`` [B,C]; noise is drawn from ``generator`` on the CPU."""

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        # Sizes are known after fit() alone: take those of the saved statistics.
        for name in ("mean", *self.statistics):
            saved = state_dict.get(prefix + name)
            if saved is not None:
                setattr(self, name, torch.empty_like(saved, device=getattr(self, name).device))
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def noise(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal numbers drawn on the CPU, so that every device draws the same."""
    return torch.randn(shape, generator=generator).to(like)
