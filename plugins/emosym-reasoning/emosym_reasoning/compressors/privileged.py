"""Generalized distillation: the text is privileged information, there while the system trains and not when it reads.

    L = H(y, t) + decay · ‖teacher‖² + r(step) · match · KL(sg(t) ‖ p) + contrast · InfoNCE

A linear teacher t = softmax(W · standardised text features) learns from the labelled images alone; the emotion head's p
follows its soft labels (or its hard ones) on every image with text, at a weight that grows from 0 to its whole over the first steps (r).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emosym.contracts import CompressBatch, Context, LossTerms
from emosym_reasoning.compressors.contrastive import Contrastive
from emosym_reasoning.compressors.tokens import share_of
from emosym_reasoning.config import PrivilegedConfig
from emosym_reasoning.layers import linear

SMALLEST_STD = 1e-6
"""A feature that is the same in all texts is centred and not blown up."""


class Privileged(Contrastive[PrivilegedConfig]):
    """A teacher over text features, and a head that follows it; InfoNCE beside it as the component ``contrastive``.

    The statistics of all training texts, unlabelled ones too, are buffers. Source: Lopez-Paz et al. 2016, *Unifying
    distillation and privileged information*.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: PrivilegedConfig, context: Context) -> None:
        super().__init__(config, context)
        self.teacher: nn.Linear | None = None
        width = context.text_width
        if width:
            generator = torch.Generator().manual_seed(context.seed + 2)
            self.teacher = linear(width, len(context.labels), generator)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    @property
    def contrasts(self) -> bool:
        return self.config.contrast_weight > 0

    def calibrate(self, knowledge: Tensor) -> None:
        knowledge = knowledge.float().to(self.mean.device)
        self.mean.copy_(knowledge.mean(0))
        self.std.copy_(knowledge.std(0, correction=0).clamp_min(SMALLEST_STD))

    def knowledge_parameters(self) -> dict[str, nn.Parameter]:
        teacher = self.teacher.named_parameters() if self.teacher is not None else ()
        return super().knowledge_parameters() | {f"teacher.{name}": parameter for name, parameter in teacher}

    def loss(self, batch: CompressBatch) -> LossTerms:
        """Values: those of ``contrastive``; ``teacher_ce`` and ``teacher_accuracy`` on the labelled samples with text,
        ``teacher_kl`` on all with text."""
        contrast = super().loss(batch)
        if batch.knowledge is None or self.teacher is None:
            return contrast
        values = {**share_of(batch.present), **contrast.values}
        with torch.autocast(batch.present.device.type, enabled=False):
            judged = self.teacher((batch.knowledge.float() - self.mean) / self.std)
            squares = [parameter.square().sum() for parameter in self.teacher.parameters()]
            loss = (
                self.config.contrast_weight * contrast.loss + self.config.decay * torch.stack(squares).sum()
            )
            learns = batch.present & (batch.labels >= 0)
            if bool(learns.any()):
                taught = F.cross_entropy(judged[learns], batch.targets[learns])
                right = (judged.argmax(-1) == batch.labels)[learns]
                values |= {
                    "teacher_ce": float(taught.detach()),
                    "teacher_accuracy": float(right.float().mean()),
                }
                loss = loss + taught
            if bool(batch.present.any()):
                followed = judged.detach()[batch.present].softmax(-1)
                if self.config.labels == "hard":
                    followed = F.one_hot(followed.argmax(-1), followed.shape[-1]).to(followed.dtype)
                apart = F.kl_div(
                    batch.logits.float()[batch.present].log_softmax(-1), followed, reduction="batchmean"
                )
                values["teacher_kl"] = float(apart.detach())
                loss = loss + self.grown(batch.step) * self.config.match_weight * apart
        return LossTerms(loss, values)

    def grown(self, step: int) -> float:
        """Share of the teacher's weight after ``step`` optimiser steps."""
        return min(1.0, step / self.config.ramp) if self.config.ramp else 1.0
