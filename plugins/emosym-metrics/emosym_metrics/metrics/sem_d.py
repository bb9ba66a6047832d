"""Metric ``sem-d``: how different what two pictures of one emotion show is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from emosym.contracts import Context, Evidence, Figure, Metric
from emosym_metrics.clip import ImageTower
from emosym_metrics.config import SemanticDiversityConfig
from emosym_metrics.metrics.pairs import drawn_pairs, pair_mean
from emosym_metrics.metrics.pictures import batched, paired_sets


class SemanticDiversity(Metric[SemanticDiversityConfig]):
    """``sem_d`` (Sem-D of EmoGen, CVPR 2024) and, where there are real images, ``sem_d_real``, with ``_low`` and
    ``_high``: the mean squared difference of the CLIP features of two images of one emotion, over the features'
    numbers, averaged over the emotions. Features keep the length that the CLIP gives them, so only figures of one
    CLIP compare; published ones are of ViT-L/14.

    Pairs never cross emotions and are fixed by the seed and the pictures. (EmoGen's public code keeps the pictures
    of the emotions before in its list, so all pairs but the first emotion's may cross.)
    """

    needs: ClassVar[tuple[str, ...]] = ("diffusion",)
    group = "generation"
    figures: ClassVar[Mapping[str, Figure]] = {
        "sem_d": Figure("Sem-D", higher_is_better=True, beside="sem_d_real"),
        "sem_d_real": Figure("Sem-D of real images"),
    }

    def __init__(self, config: SemanticDiversityConfig, context: Context) -> None:
        super().__init__(config, context)
        self._tower = ImageTower(config.model, config.pretrained, context, config.batch_size)

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        figures: dict[str, float] = {}
        for name, pictures, labels in paired_sets("sem_d", evidence):
            features = batched(self._tower.raw, pictures, self.config.batch_size)
            pairs = drawn_pairs(pictures, labels, self.config.pairs, evidence.seed)
            apart = np.square(features[pairs[:, 0]] - features[pairs[:, 1]]).mean(1)
            figures |= pair_mean(name, apart, pairs, labels, self.config.resamples, evidence.seed)
        return figures
