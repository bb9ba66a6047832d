"""A linear teacher: which emotion a text argues for, learnt from the texts of labelled images alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

ITERATIONS, TOLERANCE = 500, 1e-9
"""L-BFGS stops where no gradient is larger than the tolerance; the loss is convex, so it always gets there."""


@dataclass(frozen=True)
class Teacher:
    """Multinomial logistic regression on standardised features: ``weight`` [C,W], ``bias`` [C], float64."""

    mean: Tensor
    deviation: Tensor
    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Probabilities [N,C], float32, of features [N,W]."""
        rows = (features.detach().cpu().double() - self.mean) / self.deviation
        return F.linear(rows, self.weight, self.bias).softmax(-1).float()


def fit(features: Tensor, labels: Tensor, classes: int, decay: float) -> Teacher:
    """The minimum of mean cross entropy + ``decay``·(‖W‖² + ‖b‖²) over features [N,W] with labels [N], which is one and
    the same each time."""
    rows, wanted = features.detach().cpu().double(), labels.cpu()
    mean, deviation = rows.mean(0), rows.std(0, correction=0)
    deviation = deviation.masked_fill(deviation < 1e-8, 1.0)
    rows = (rows - mean) / deviation
    weight = torch.zeros(classes, rows.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias],
        max_iter=ITERATIONS,
        tolerance_grad=TOLERANCE,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(F.linear(rows, weight, bias), wanted) + decay * (
            weight.square().sum() + bias.square().sum()
        )
        torch.autograd.backward(loss)
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    return Teacher(mean, deviation, weight.detach(), bias.detach())
