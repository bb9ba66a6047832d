"""Metric ``emo-score``: how sure the judge is of the emotion that was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from emosym.contracts import Evidence, Figure, Metric
from emosym_metrics.config import EmotionScoreConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.pictures import judge_of, require_generated


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
        rng = np.random.default_rng(evidence.seed)
        meant = {"emo_score": self.per_image(evidence)["emo_score"]}
        if evidence.real:
            meant["emo_score_real"] = self._meant(evidence, "real", evidence.real_labels)
        return {
            key: figure
            for name, values in meant.items()
            for key, figure in bootstrapped(name, values, self.config.resamples, rng).items()
        }

    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        judge_of(evidence, self.context)
        require_generated(evidence)
        return {"emo_score": self._meant(evidence, "generated", evidence.generated_labels)}

    def _meant(
        self, evidence: Evidence, which: Literal["real", "generated"], labels: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """[M], the judge's probability of each picture's own emotion."""
        table = evidence.judged(which, self.config.batch_size)
        assert table is not None
        return np.asarray(table[np.arange(len(labels)), labels])
