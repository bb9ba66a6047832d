"""Stage 1, compress: press knowledge into the reasoning tokens (METHOD, stage 1).

L = ce_weight · CE(head(e), y) + knowledge_weight · compressor.loss(c, text(k))
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from emosym.assembly import Surroundings
from emosym.contracts import LossTerms, Sample
from emosym.spec.model import CompressStage
from emosym.system import System
from emosym.training.loop import Shuffle, Stage, steps_for


class Compress(Stage):
    """Trains adapters, tokens and head on labels and reasoning texts."""

    name = "compress"

    def __init__(
        self,
        system: System,
        settings: CompressStage,
        around: Surroundings,
        samples: Sequence[Sample],
        seed: int,
    ) -> None:
        super().__init__(system, settings)
        self.around = around
        self.samples = samples
        self.shuffle = Shuffle(len(samples), settings.batch_size, seed)
        self.knowledge: dict[str, Tensor] = {}

    @property
    def steps(self) -> int:
        return steps_for(self.settings, len(self.samples))

    def before(self) -> None:
        """Encode every reasoning text once: the text side is frozen."""
        if (
            self.around.knowledge is None
            or self.around.text_encoder is None
            or not self.settings.knowledge_weight
        ):
            return
        texts = self.around.knowledge.texts(self.samples)
        known = [(sample.id, text) for sample, text in zip(self.samples, texts, strict=True) if text]
        for start in range(0, len(known), 256):
            part = known[start : start + 256]
            features = self.around.text_encoder.encode([text for _, text in part]).cpu()
            self.knowledge |= {id: row for (id, _), row in zip(part, features, strict=True)}

    def batch(self, step: int, rank: int, world: int) -> Sequence[Sample]:
        return [self.samples[i] for i in self.shuffle(step)][rank::world]

    def forward(self, batch: Sequence[Sample], generator: torch.Generator) -> LossTerms:
        states = self.system.states(batch)
        logits = self.system.head(states.emotion)
        labels = labels_of(batch, logits.device)
        ce, accuracy = classification(logits, labels)
        knowledge, present = self.features(batch, states.context)
        terms = self.system.core.compressor.loss(states, knowledge, present, labels)
        loss = self.settings.ce_weight * ce + self.settings.knowledge_weight * terms.loss
        return LossTerms(loss, {"ce": float(ce.detach()), "accuracy": accuracy, **terms.values})

    def features(self, batch: Sequence[Sample], like: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Knowledge features [B,W] and which samples have any, or (None, None) in a run without knowledge."""
        if not self.knowledge:
            return None, None
        blank = torch.zeros(self.system.text_width)
        rows = torch.stack([self.knowledge.get(sample.id, blank) for sample in batch])
        present = torch.tensor([sample.id in self.knowledge for sample in batch])
        return rows.to(like.device), present.to(like.device)


def labels_of(batch: Sequence[Sample], device: torch.device) -> Tensor:
    """Labels [B], −1 where a sample has none."""
    return torch.tensor([-1 if sample.label is None else sample.label for sample in batch], device=device)


def classification(logits: Tensor, labels: Tensor) -> tuple[Tensor, float]:
    """Mean cross entropy and accuracy over the labelled rows; zero with a gradient path where there are none."""
    known = labels >= 0
    if not bool(known.any()):
        return logits.sum() * 0.0, 0.0
    ce = F.cross_entropy(logits[known].float(), labels[known])
    return ce, float((logits[known].argmax(-1) == labels[known]).float().mean())
