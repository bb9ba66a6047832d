"""The emotion head: from the state of [EMO] to an emotion, and the cross entropy that trains it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emosym.contracts import Sample, States

HEAD_WIDTH = 256


def seen(states: States, reads: str) -> Tensor:
    """What the head reads of states, [...,D]: the state of [EMO] (``emotion``), the mean of those of [CTX] (``context``), or
    ``both`` [...,2·D]."""
    if reads == "emotion":
        return states.emotion
    context = states.context.mean(-2)
    return context if reads == "context" else torch.cat([states.emotion, context], -1)


class EmotionHead(nn.Sequential):
    """Linear(D,256)–ReLU–Linear(256,C) over emotion states [B,D], as the authors have it, or over others of the ``width``
    that :func:`seen` gives."""

    def __init__(self, width: int, emotions: int, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            super().__init__(nn.Linear(width, HEAD_WIDTH), nn.ReLU(), nn.Linear(HEAD_WIDTH, emotions))

    @torch.no_grad()
    def cool(self, temperature: float) -> None:
        """Divide all logits by ``temperature``, in the last layer's weights."""
        for parameter in self[-1].parameters():
            parameter.div_(temperature)


def head_width(hidden_size: int, reads: str) -> int:
    """Width of what the head reads."""
    return hidden_size * (2 if reads == "both" else 1)


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


def targets_of(samples: Sequence[Sample], emotions: int, device: torch.device) -> Tensor:
    """What the samples are taught [B,C]: ``Sample.target``, else one for the label; zeros where a sample is unlabelled."""
    targets = torch.zeros(len(samples), emotions)
    for row, sample in zip(targets, samples, strict=True):
        if sample.target is not None:
            row.copy_(torch.tensor(sample.target))
        elif sample.label is not None:
            row[sample.label] = 1.0
    return targets.to(device)


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
    targets = targets_of(samples, logits.shape[-1], logits.device)
    return F.cross_entropy(chosen, targets[known]), accuracy
