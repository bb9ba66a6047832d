"""Metric ``emo-score``: how sure the judge is of the emotion that was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from emosym.contracts import Evidence, Figure, Metric
from emosym_metrics.config import EmotionScoreConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.pictures import batched, judge_of, sets


class EmotionScore(Metric[EmotionScoreConfig]):
    """``emo_score`` (the ``emo_score`` of EmoGen's code) and, where there are real images, ``emo_score_real``, with
    ``_low`` and ``_high``: the judge's mean probability of the emotion that an image was made for."""

    needs: ClassVar[tuple[str, ...]] = ("judge", "diffusion")
    group = "generation"
    figures: ClassVar[Mapping[str, Figure]] = {
        "emo_score": Figure("Emotion score", higher_is_better=True, beside="emo_score_real"),
        "emo_score_real": Figure("Emotion score of real images"),
    }

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        judge = judge_of(evidence, self.context)
        rng = np.random.default_rng(evidence.seed)
        figures: dict[str, float] = {}
        for name, pictures, labels in sets("emo_score", evidence):
            read = batched(judge.probabilities, pictures, self.config.batch_size)
            meant = read[np.arange(len(labels)), labels]
            figures |= bootstrapped(name, meant, self.config.resamples, rng)
        return figures
