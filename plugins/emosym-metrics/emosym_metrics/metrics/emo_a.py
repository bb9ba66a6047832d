"""Metric ``emo-a``: whether generated images evoke what they were made for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from emosym.contracts import Evidence, Figure, Metric
from emosym_metrics.config import GenerationConfig
from emosym_metrics.metrics.intervals import share
from emosym_metrics.metrics.pictures import judge_of, require_generated


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
        figures = {**share("emo_a", self.per_image(evidence)["emo_a"])}
        if evidence.real:
            read = self._read(evidence, "real")
            figures |= share("emo_a_real", (read == evidence.real_labels).astype(np.float64))
        return figures

    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        judge_of(evidence, self.context)
        require_generated(evidence)
        hits = self._read(evidence, "generated") == evidence.generated_labels
        return {"emo_a": hits.astype(np.float64)}

    def _read(self, evidence: Evidence, which: Literal["real", "generated"]) -> NDArray[np.int64]:
        """[M], the most probable emotion by the judge."""
        table = evidence.judged(which, self.config.batch_size)
        assert table is not None
        return np.asarray(table.argmax(1))
