"""Stage 1, compress: press knowledge into the reasoning tokens.

L = ce_weight · CE(head(e), y) + knowledge_weight · compressor.loss(c, text(k)); the paper weighs both ½, and its
compressor's loss is the InfoNCE of component ``contrastive``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from emosym.assembly import ExperimentParts
from emosym.contracts import LossTerms, Sample
from emosym.head import cross_entropy, labels_of
from emosym.processes import from_first
from emosym.spec.model import CompressStage
from emosym.system import System
from emosym.training.stage import Stage


class Compress(Stage[CompressStage]):
    """Trains adapters, tokens and head on labels and reasoning texts."""

    name = "compress"

    def __init__(
        self,
        system: System,
        settings: CompressStage,
        parts: ExperimentParts,
        samples: Sequence[Sample],
        seed: int,
        accumulation: int = 1,
    ) -> None:
        super().__init__(system, settings, samples, seed, accumulation)
        self.knowledge_source = parts.knowledge
        self.text_encoder = parts.text_encoder
        self.knowledge: dict[str, Tensor] = {}

    def before(self) -> None:
        """Encode every reasoning text once: the text side is frozen."""
        source, encoder = self.knowledge_source, self.text_encoder
        if source is None or encoder is None or not self.settings.knowledge_weight:
            return
        texts = from_first(lambda: source.texts(self.samples))
        known = [(sample.id, text) for sample, text in zip(self.samples, texts, strict=True) if text]
        for start in range(0, len(known), 256):
            part = known[start : start + 256]
            features = encoder.encode([text for _, text in part]).cpu()
            self.knowledge |= {id: row for (id, _), row in zip(part, features, strict=True)}

    def forward(self, batch: Sequence[Sample], generator: torch.Generator) -> LossTerms:
        states = self.system.states(batch)
        logits = self.system.head(states.emotion)
        ce, accuracy = cross_entropy(logits, batch)
        self.part_of_loss("the cross entropy", ce)
        knowledge, present = self.features(batch, states.context)
        terms = self.system.compressor.loss(states, knowledge, present, labels_of(batch, logits.device))
        self.part_of_loss("compressor", terms.loss)
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
