"""Stage 1 of the explicit baseline: learn to write the reason and then the emotion.

    L = ce_weight · NLL(emotion | image, reason) + knowledge_weight · NLL(reason | image)

Both are means over tokens and over the samples that have an emotion or a text, teacher-forced in one pass of the backbone;
the texts are those that the latent way compresses into its tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.assembly import ExperimentParts
from emosym.contracts import LossTerms, Sample
from emosym.explicit import turn_of
from emosym.spec.model import CompressStage
from emosym.system import System
from emosym.training.stage import Stage


class CompressExplicit(Stage[CompressStage]):
    """Trains adapters on turns of reasons and emotions. Samples with neither are left out; a ``target`` of several emotions
    is written as its largest share."""

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
        if not system.backbone.prefix_learns:
            raise EmosymError(
                "training.nothing-writes",
                f"backbone {system.resolved.spec.backbone.name} has no adapters that act on the prompt, so it cannot learn to write",
                hint="reading: explicit wants backbone.params.training: lora",
            )
        self.turns = turns_of(system, settings, parts, samples)
        told = [sample for sample in samples if sample.id in self.turns]
        if not told:
            raise EmosymError(
                "training.nothing-to-write",
                "no training image has a label or a text, so there is nothing to write of any",
                hint="use data with labels, or knowledge with texts",
            )
        super().__init__(system, settings, told, seed, accumulation)

    def forward(self, batch: Sequence[Sample], generator: torch.Generator) -> LossTerms:
        turns = [self.turns[sample.id] for sample in batch]
        each = self.system.backbone.compose(batch, turns)
        reason = mean_where(each[:, 0], [bool(reason) for reason, _ in turns])
        emotion = mean_where(each[:, 1], [bool(answer) for _, answer in turns])
        self.part_of_loss("the text of the reason", reason)
        self.part_of_loss("the name of the emotion", emotion)
        loss = self.settings.ce_weight * emotion + self.settings.knowledge_weight * reason
        present = sum(bool(reason) for reason, _ in turns) / len(turns)
        values = {
            "ce": float(emotion.detach()),
            "reason": float(reason.detach()),
            "knowledge_present": present,
        }
        return LossTerms(loss, values)


def turns_of(
    system: System, settings: CompressStage, parts: ExperimentParts, samples: Sequence[Sample]
) -> dict[str, tuple[str, str]]:
    """Reason and answer by the sample's id, of those samples that have either; without reasons where they weigh nothing."""
    reasons: Sequence[str | None] = [None] * len(samples)
    if parts.knowledge is not None and settings.knowledge_weight:
        reasons = parts.knowledge.texts(samples)
    names = system.labels.names
    turns = {
        sample.id: turn_of(reason, None if sample.label is None else names[sample.label])
        for sample, reason in zip(samples, reasons, strict=True)
    }
    return {id: turn for id, turn in turns.items() if any(turn)}


def mean_where(values: Tensor, there: Sequence[bool]) -> Tensor:
    """The mean of those of ``values`` [B] that are there; zero with a gradient path where none is."""
    known = torch.tensor(there, device=values.device)
    return values[known].mean() if any(there) else values.sum() * 0.0
