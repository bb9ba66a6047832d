"""The emotion head: from the state of [EMO] to an emotion, and the cross entropy that trains it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emosym.contracts import Sample

HEAD_WIDTH = 256


class EmotionHead(nn.Sequential):
    """Linear(D,256)–ReLU–Linear(256,C) over emotion states [B,D], as the authors have it."""

    def __init__(self, hidden_size: int, emotions: int, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            super().__init__(nn.Linear(hidden_size, HEAD_WIDTH), nn.ReLU(), nn.Linear(HEAD_WIDTH, emotions))

    @torch.no_grad()
    def cool(self, temperature: float) -> None:
        """Divide all logits by ``temperature``, in the last layer's weights."""
        for parameter in self[-1].parameters():
            parameter.div_(temperature)


def fitting_temperature(log_probabilities: Tensor, labels: Tensor) -> float:
    """The temperature T, between 1/20 and 20, at which softmax(log p / T) of log-probabilities [N,C] gives labels [N] the
    least cross entropy (Guo et al. 2017): the logits are known up to a constant, which a softmax does not see."""
    from scipy.optimize import minimize_scalar

    logits = log_probabilities.double().cpu()
    wanted = labels.cpu()

    def loss(inverse: float) -> float:
        return float(F.cross_entropy(logits * inverse, wanted))

    # Convex in 1/T, so that a bounded search finds the minimum.
    return 1 / float(minimize_scalar(loss, bounds=(1 / 20, 20), method="bounded", options={"xatol": 1e-6}).x)


def labels_of(samples: Sequence[Sample], device: torch.device) -> Tensor:
    """Labels [B], −1 where a sample has none."""
    return torch.tensor([-1 if sample.label is None else sample.label for sample in samples], device=device)


def cross_entropy(logits: Tensor, samples: Sequence[Sample]) -> tuple[Tensor, float]:
    """Mean cross entropy of logits [B,C] and accuracy over the labelled samples, against ``Sample.target`` where a sample
    has one; zero with a gradient path where none is labelled."""
    labels = labels_of(samples, logits.device)
    known = labels >= 0
    if not bool(known.any()):
        return logits.sum() * 0.0, 0.0
    chosen, wanted = logits[known].float(), labels[known]
    accuracy = float((chosen.argmax(-1) == wanted).float().mean())
    if all(sample.target is None for sample in samples):
        return F.cross_entropy(chosen, wanted), accuracy
    targets = F.one_hot(wanted, logits.shape[-1]).float()
    for row, sample in zip(targets, (s for s in samples if s.label is not None), strict=True):
        if sample.target is not None:
            row.copy_(torch.tensor(sample.target))
    return F.cross_entropy(chosen, targets), accuracy
