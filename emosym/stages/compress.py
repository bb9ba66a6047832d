"""Stage 1, compress: press knowledge into the reasoning tokens.

L = ce_weight · CE(head(e), y) + knowledge_weight · compressor.loss(batch); the paper weighs both ½, and its compressor's
loss is the InfoNCE of component ``contrastive``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from emosym.assembly import ExperimentParts
from emosym.contracts import CompressBatch, LossTerms, Sample, States
from emosym.head import cross_entropy, labels_of, targets_of
from emosym.processes import from_first
from emosym.reasons import encoded
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
        self.texts: dict[str, str] = {}
        self.knowledge: dict[str, Tensor] = {}
        self.calibrated = False

    def before(self) -> None:
        """Encode every reasoning text that will be drawn once: the text side is frozen. The compressor sees them before the
        first step."""
        source, encoder = self.knowledge_source, self.text_encoder
        if source is None or encoder is None or not self.settings.knowledge_weight:
            return
        drawn = {sample.id for sample in self.to_be_drawn()}
        texts = zip(self.samples, from_first(lambda: source.texts(self.samples)), strict=True)
        self.texts = {sample.id: text for sample, text in texts if text and sample.id in drawn}
        if not self.texts:
            return
        features = encoded(list(self.texts.values()), encoder)
        self.knowledge = dict(zip(self.texts, features, strict=True))
        if not self.calibrated:
            self.system.compressor.calibrate(features)
            self.calibrated = True

    def extra_state(self) -> dict[str, Any]:
        return {"calibrated": self.calibrated}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.calibrated = state["calibrated"]

    def forward(self, batch: Sequence[Sample], generator: torch.Generator) -> LossTerms:
        states, layers = self.states(batch)
        logits = self.system.logits(states)
        ce, accuracy = cross_entropy(logits, batch)
        self.part_of_loss("the cross entropy", ce)
        texts = [self.texts.get(sample.id) for sample in batch]
        terms = self.system.compressor.loss(
            CompressBatch(
                samples=batch,
                states=states,
                logits=logits,
                labels=labels_of(batch, logits.device),
                targets=targets_of(batch, logits.shape[-1], logits.device),
                texts=texts,
                knowledge=self.features(batch, logits.device),
                present=torch.tensor([text is not None for text in texts], device=logits.device),
                step=self.step,
                steps=self.steps,
                layers=layers,
                read=partial(self.read, batch),
            )
        )
        self.part_of_loss("compressor", terms.loss)
        loss = self.settings.ce_weight * ce + self.settings.knowledge_weight * terms.loss
        return LossTerms(loss, {"ce": float(ce.detach()), "accuracy": accuracy, **terms.values})

    def states(self, batch: Sequence[Sample]) -> tuple[States, Tensor | None]:
        """States of a batch, and those after each layer [L,B,K+1,D] where the compressor reads them."""
        if not self.system.compressor.reads_layers:
            return self.system.states(batch), None
        tokens = self.system.compressor.tokens(len(batch))
        layers = self.system.backbone.layer_states(batch, tokens).float()
        return States.split(layers[-1]), layers

    def read(
        self, batch: Sequence[Sample], rows: Sequence[int], texts: Sequence[str]
    ) -> tuple[Tensor, Tensor]:
        """States [L,n,K+1,D] and logits [n,C] of ``rows`` of a batch with ``texts`` in their prompts."""
        tokens = self.system.compressor.tokens(len(rows))
        layers = self.system.backbone.layer_states([batch[row] for row in rows], tokens, texts).float()
        return layers, self.system.logits(States.split(layers[-1]))

    def features(self, batch: Sequence[Sample], device: torch.device) -> Tensor | None:
        """Knowledge features [B,W], zeros where a sample has none; None in a run without knowledge."""
        if not self.knowledge:
            return None
        blank = torch.zeros(self.system.text_width)
        return torch.stack([self.knowledge.get(sample.id, blank) for sample in batch]).to(device)
