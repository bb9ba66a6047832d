"""Judge ``probe``: a linear classifier on the image features of an open_clip model, taught within the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from emosym_registry import EmosymError
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from emosym.contracts import Context, Judge, Sample
from emosym.toolkit import hash_tensors
from emosym_metrics.clip import device_of, load_clip, seen
from emosym_metrics.config import ProbeConfig

STEPS = 1000


class ProbeJudge(Judge[ProbeConfig]):
    """Logistic regression on standardised, unit-length image features; nobody has taught it but the run's labelled pictures.

    The loss is mean cross entropy + ``decay``·‖W‖², which has one minimum: the same pictures give the same judge. The
    features are those of a model that has learned from captions and knows no labels of the run.
    """

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, config: ProbeConfig, context: Context) -> None:
        super().__init__(config, context)
        model, self.transform, _ = load_clip(config.model, config.pretrained, context)
        self.visual = model.visual
        for name in ("mean", "std", "weight", "bias"):
            self.register_buffer(name, torch.empty(0))

    def learn(self, samples: Sequence[Sample]) -> None:
        """Errors: ``judge.no-pictures`` for an emotion without a labelled picture."""
        labels = self.context.labels
        counts = np.bincount(
            [sample.label for sample in samples if sample.label is not None], minlength=len(labels)
        )
        missing = [name for name, count in zip(labels.names, counts, strict=True) if not count]
        if missing:
            raise EmosymError(
                "judge.no-pictures",
                f"judge probe learns from the labelled training pictures, and there is none of {', '.join(missing)}",
                hint="give more pictures their label, or leave the judge out",
            )
        chosen = self._chosen([sample for sample in samples if sample.label is not None])
        # Opened a batch at a time: there may be more than fit into memory.
        parts = [
            chosen[i : i + self.config.batch_size] for i in range(0, len(chosen), self.config.batch_size)
        ]
        rows = torch.cat([self.features([one.open_target() for one in part]) for part in parts])
        self.mean, std = rows.mean(0), rows.std(0, correction=0)
        self.std = torch.where(std > 1e-6, std, torch.ones_like(std))
        known = np.array([sample.label for sample in chosen])
        inputs = ((rows - self.mean) / self.std).double().cpu().numpy()
        strength = 1 / (2 * self.config.decay * len(chosen))  # scikit-learn weighs the sum of losses
        fitted = LogisticRegression(C=strength, max_iter=STEPS, tol=1e-6).fit(inputs, known)
        weight, bias = fitted.coef_, fitted.intercept_
        if len(labels) == 2:  # one row that speaks for the second label
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        self.weight, self.bias = (torch.from_numpy(one).to(rows) for one in (weight, bias))

    def _chosen(self, samples: Sequence[Sample]) -> list[Sample]:
        """At most ``per_class`` pictures of each emotion, the same each time."""
        most = self.config.per_class
        order = torch.randperm(
            len(samples), generator=torch.Generator().manual_seed(self.context.seed)
        ).tolist()
        taken: dict[int | None, list[int]] = {}
        for place in order:
            own = taken.setdefault(samples[place].label, [])
            if most is None or len(own) < most:
                own.append(place)
        return [samples[place] for place in sorted(place for own in taken.values() for place in own)]

    @property
    def identity(self) -> str:
        """sha256 of image tower, classifier and label order."""
        self._require_taught()
        return hash_tensors(self.state_dict(), "\0".join(self.context.labels.names))

    @torch.no_grad()
    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        """[B,C] in the order of the run's labels."""
        self._require_taught()
        if not images:
            return torch.zeros(0, len(self.context.labels), device=device_of(self))
        rows = (self.features(images) - self.mean) / self.std
        return (rows @ self.weight.T + self.bias).softmax(-1)

    def features(self, images: Sequence[Image.Image]) -> Tensor:
        """Unit-norm image features [B,F]."""
        if not images:
            return torch.zeros(0, self.visual.output_dim, device=device_of(self))
        return F.normalize(seen(self.visual, self.transform, images, self.config.batch_size), dim=-1)

    def _require_taught(self) -> None:
        if not len(self.weight):
            raise EmosymError(
                "judge.untaught",
                "judge probe knows nothing before a run has taught it",
                hint="take another judge where nothing trains",
            )
