"""Metric ``emo-a``: whether generated images evoke what they were made for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from emosym.contracts import Evidence, Figure, Metric
from emosym_metrics.config import GenerationConfig
from emosym_metrics.metrics.intervals import share
from emosym_metrics.metrics.pictures import batched, judge_of, sets


class EmotionAccuracy(Metric[GenerationConfig]):
    """``emo_a`` (Emo-A of EmoGen, CVPR 2024) and, where there are real images, ``emo_a_real``, with
    ``_low`` and ``_high``: the share of images that the judge reads as the emotion they were made for."""

    needs: ClassVar[tuple[str, ...]] = ("judge", "diffusion")
    group = "generation"
    figures: ClassVar[Mapping[str, Figure]] = {
        "emo_a": Figure("Emo-A", percent=True, higher_is_better=True, headline=True, beside="emo_a_real"),
        "emo_a_real": Figure("Emo-A of real images", percent=True),
    }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        judge = judge_of(evidence, self.context)
        figures: dict[str, float] = {}
        for name, pictures, labels in sets("emo_a", evidence):
            read = batched(judge.probabilities, pictures, self.config.batch_size).argmax(1)
            figures |= share(name, read == labels)
        return figures
