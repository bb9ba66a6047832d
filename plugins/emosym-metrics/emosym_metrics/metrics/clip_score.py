"""Metric ``clip-score``: how well images agree with the text of their emotion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emosym.contracts import Context, Evidence, Figure, Metric
from emosym_metrics.clip import ImageTower
from emosym_metrics.config import ClipScoreConfig, TextEncoderConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.pictures import sets
from emosym_metrics.text_encoder import OpenClipTextEncoder


class ClipScore(Metric[ClipScoreConfig]):
    """``clip_score`` and, where there are real images, ``clip_score_real``, with ``_low`` and ``_high``:
    the mean cosine (-1 to 1) of an image's CLIP features and those of the text of its emotion (Hessel et
    al. 2021, neither clipped at zero nor scaled). Only figures of one CLIP and one text compare."""

    needs: ClassVar[tuple[str, ...]] = ("diffusion",)
    group = "generation"
    figures: ClassVar[Mapping[str, Figure]] = {
        "clip_score": Figure("CLIP score", higher_is_better=True, beside="clip_score_real"),
        "clip_score_real": Figure("CLIP score of real images"),
    }

    def __init__(self, config: ClipScoreConfig, context: Context) -> None:
        super().__init__(config, context)
        self._tower = ImageTower(config.model, config.pretrained, context, config.batch_size)
        reader = TextEncoderConfig(model=config.model, pretrained=config.pretrained)
        self._reader = OpenClipTextEncoder(reader, context).to(context.device or "cpu")

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        rng = np.random.default_rng(evidence.seed)
        figures: dict[str, float] = {}
        for name, cosines in self._cosines(evidence).items():
            figures |= bootstrapped(name, cosines, self.config.resamples, rng)
        return figures

    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        return {"clip_score": self._cosines(evidence)["clip_score"]}

    def _cosines(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        """Of every picture and its text, for each figure."""
        return evidence.once((self, "cosines"), lambda: dict(self._seen(evidence)))

    def _seen(self, evidence: Evidence) -> Iterator[tuple[str, NDArray[np.float64]]]:
        texts = self._reader.encode([self.config.text.replace("{emotion}", name) for name in evidence.names])
        for name, pictures, labels in sets("clip_score", evidence):
            cosines = (self._tower.features(pictures) * texts[labels.tolist()]).sum(1)
            yield name, cosines.double().cpu().numpy()
