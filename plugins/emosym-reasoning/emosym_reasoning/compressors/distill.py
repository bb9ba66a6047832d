"""Self-distillation: the same backbone, which reads the knowledge in its prompt, is the teacher.

    L = distance · mean_l |sg(h_l^teacher) − h_l| / std(h_l^teacher) + teacher · H(y, p^teacher)

h_l is the state after layer l at the answer's position, [EMO]. The teacher is the whole system, tokens, adapters and head,
with the text after the question; it learns to use the text from the labelled images, as in CODI, where teacher and student
are trained together.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from emosym.contracts import CompressBatch, LossTerms
from emosym_reasoning.compressors.tokens import TokensOnly, share_of
from emosym_reasoning.config import DistillConfig

SMALLEST_STD = 1e-6
"""Of a teacher's layer, so that a constant one divides nothing by zero."""


def distance(teacher: Tensor, student: Tensor) -> Tensor:
    """Mean over layers of |teacher − student| in units of the teacher's standard deviation, from states [L,...]; the
    gradient goes to the student alone."""
    teacher, student = teacher.detach().flatten(1), student.flatten(1)
    return ((teacher - student).abs().mean(1) / teacher.std(1, correction=0).clamp_min(SMALLEST_STD)).mean()


class Distill(TokensOnly[DistillConfig]):
    """Draws the states without the text toward those with it, after every layer.

    Needs no projection and no text features. Source: CODI (Shen et al. 2025), compressing chain of thought into
    continuous space by self-distillation.
    """

    reads_layers = True

    def loss(self, batch: CompressBatch) -> LossTerms:
        """Values: ``distance``; ``teacher_ce`` and ``teacher_accuracy`` on the labelled samples with text;
        ``knowledge_present``."""
        assert batch.layers is not None
        if not bool(batch.present.any()):
            return super().loss(batch)
        values = share_of(batch.present)
        known = batch.present.nonzero()[:, 0].tolist()
        labelled = [row for row in known if batch.labels[row] >= 0] if self.config.teacher_weight else []
        others = [row for row in known if row not in labelled]
        read = []
        loss = batch.logits.new_zeros((), dtype=torch.float32)
        if labelled:
            states, logits = self._taught(batch, labelled)
            read.append(states)
            taught = F.cross_entropy(logits.float(), batch.targets[labelled])
            right = logits.argmax(-1) == batch.labels[labelled]
            values |= {"teacher_ce": float(taught.detach()), "teacher_accuracy": float(right.float().mean())}
            loss = loss + self.config.teacher_weight * taught
        if others:
            with torch.no_grad():
                read.append(self._taught(batch, others)[0])
        apart = distance(self._seen(torch.cat(read, 1)), self._seen(batch.layers[:, labelled + others]))
        return LossTerms(
            loss + self.config.distance_weight * apart, {**values, "distance": float(apart.detach())}
        )

    def _taught(self, batch: CompressBatch, rows: list[int]) -> tuple[Tensor, Tensor]:
        return batch.read(rows, [batch.texts[row] or "" for row in rows])

    def _seen(self, layers: Tensor) -> Tensor:
        """The states [L,n,...] that are compared: that of [EMO], or of all reasoning tokens."""
        return (layers[:, :, -1] if self.config.positions == "emotion" else layers).float()
