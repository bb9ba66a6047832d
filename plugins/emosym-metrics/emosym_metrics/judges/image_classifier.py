"""Judge ``image-classifier``: any image classifier of transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from emosym_registry import EmosymError
from PIL import Image
from torch import Tensor, nn

from emosym.contracts import Context, Judge
from emosym.toolkit import hash_tensors
from emosym_metrics.classifier import load_classifier
from emosym_metrics.clip import device_of
from emosym_metrics.config import ImageClassifierConfig
from emosym_metrics.judges.labels import select


class ImageClassifierJudge(Judge[ImageClassifierConfig]):
    """The logits whose names are the run's labels; frozen, float32, eval mode.

    Labels written ``group:name`` (``scene:beach``) are no emotions: the largest of each group is an
    attribute. Features are what enters the classifier's last linear layer.
    """

    def __init__(self, config: ImageClassifierConfig, context: Context) -> None:
        super().__init__(config, context)
        loaded = load_classifier(config.model, "judge image-classifier", context, config.revision)
        self.model, self.processor, self.names = loaded.model, loaded.processor, loaded.names
        self.groups = loaded.groups
        self.selection = select(
            self.names, context.labels, f"judge image-classifier ({config.model})", config.rename
        )
        self._last = _last_linear(self.model, len(self.names))
        self._identity = ""

    @property
    def identity(self) -> str:
        """sha256 of the weights and the labels' order."""
        if not self._identity:
            self._identity = hash_tensors(self.model.state_dict(), "\0".join(self.names))
        return self._identity

    @torch.no_grad()
    def _run(self, images: Sequence[Image.Image]) -> tuple[Tensor, Tensor]:
        """Logits [B,N] and features [B,F]."""
        features: list[Tensor] = []
        logits: list[Tensor] = []
        hook = self._last.register_forward_pre_hook(
            lambda _, inputs: features.append(inputs[0].float().flatten(1))
        )
        try:
            for start in range(0, len(images), self.config.batch_size):
                part = [image.convert("RGB") for image in images[start : start + self.config.batch_size]]
                pixels = self.processor(images=part, return_tensors="pt").to(device_of(self))
                logits.append(self.model(**pixels).logits.float())
        finally:
            hook.remove()
        if not logits:
            device = device_of(self)
            return torch.zeros(0, len(self.names), device=device), torch.zeros(
                0, self._last.in_features, device=device
            )
        return torch.cat(logits), torch.cat(features)

    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        """[B,C] in the order of the run's labels."""
        return self.selection.probabilities(self._run(images)[0])

    def features(self, images: Sequence[Image.Image]) -> Tensor:
        """Pooled features [B,F] before the last layer."""
        return self._run(images)[1]

    def attributes(self, images: Sequence[Image.Image]) -> list[Mapping[str, str]]:
        """``{"scene": "beach", …}`` for each image."""
        logits = self._run(images)[0]
        read: list[dict[str, str]] = [{} for _ in images]
        for group, columns in self.groups.items():
            for own, best in zip(read, logits[:, columns].argmax(-1).tolist(), strict=True):
                own[group] = self.names[columns[best]].partition(":")[2]
        return [dict(own) for own in read]


def _last_linear(model: nn.Module, rows: int) -> nn.Linear:
    """The layer that makes the logits: the last linear one with a row for each label."""
    fitting = [
        layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer.out_features == rows
    ]
    if not fitting:
        raise EmosymError(
            "judge.no-classifier",
            f"{type(model).__name__} has no linear layer with {rows} rows",
            hint="image-classifier wants a model that ends in a linear classifier",
        )
    return fitting[-1]
