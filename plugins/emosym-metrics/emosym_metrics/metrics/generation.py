"""Metrics of generated images, seen by the evaluation judge or by CLIP: ``emo-a``, ``diversity`` and ``clip-score``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from emosym_registry import EmosymError
from numpy.typing import NDArray
from PIL import Image

from emosym.contracts import Context, Evidence, Judge, Metric
from emosym_metrics.clip import ImageTower
from emosym_metrics.config import ClipScoreConfig, DiversityConfig, TextEncoderConfig
from emosym_metrics.metrics.intervals import percentiles, share
from emosym_metrics.text_encoder import OpenClipTextEncoder


class _Generation(Metric):
    config: Any
    needs: tuple[str, ...] = ("generated", "judge")
    group: ClassVar[str] = "generation"

    def __init__(self, config: Any, context: Context) -> None:
        self.config, self.context = config, context

    def _judge(self, evidence: Evidence) -> Judge:
        if evidence.judge is None:
            raise EmosymError("metric.no-judge", f"{self.context.component or type(self).__name__} needs a judge, this run has none",
                              hint="add judges.evaluate, another one than the reward's and the bank's")  # fmt: skip
        _require_images(evidence)
        judge: Judge = evidence.judge
        return judge

    def _look(self, look: Any, images: Sequence[Image.Image]) -> NDArray[np.float64]:
        size = self.config.batch_size
        parts = [look(images[i : i + size]).double().cpu().numpy() for i in range(0, len(images), size)]
        return np.concatenate(parts)


def _require_images(evidence: Evidence) -> None:
    if not evidence.generated:
        raise EmosymError(
            "metric.no-images", "there is no generated image to measure", hint="run the unify stage first"
        )


class EmotionAccuracy(_Generation):
    """``emo_a`` (Emo-A of EmoGen, CVPR 2024) and, where there are real images, ``emo_a_real``, with ``_low`` and
    ``_high``: the share of images that the judge reads as the emotion they were made for."""

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        judge = self._judge(evidence)
        figures = dict(self._accuracy("emo_a", judge, evidence.generated, evidence.generated_labels))
        if evidence.real:
            figures |= self._accuracy("emo_a_real", judge, evidence.real, evidence.real_labels)
        return figures

    def _accuracy(
        self, name: str, judge: Judge, images: Sequence[Image.Image], labels: Sequence[int]
    ) -> Mapping[str, float]:
        read = self._look(judge.probabilities, images).argmax(1)
        return share(name, int((read == np.asarray(labels)).sum()), len(images))


class Diversity(_Generation):
    """``diversity``, ``diversity_real`` and ``diversity_ratio``: the mean cosine distance (0 to 2) of two images of one
    emotion, averaged over the emotions that have two images or more; in the judge's features, or those of ``clip``."""

    config: DiversityConfig

    def __init__(self, config: DiversityConfig, context: Context) -> None:
        super().__init__(config, context)
        self._tower: ImageTower | None = None
        if config.clip is not None:
            self.needs = ("generated",)
            self._tower = ImageTower(config.clip, config.pretrained, context, config.batch_size)

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        if self._tower is None:
            features = self._judge(evidence).features
        else:
            _require_images(evidence)
            features = self._tower.features
        figures = {
            "diversity": within_class(self._look(features, evidence.generated), evidence.generated_labels)
        }
        if evidence.real:
            real = within_class(self._look(features, evidence.real), evidence.real_labels)
            figures["diversity_real"] = real
            if real > 0:
                figures["diversity_ratio"] = figures["diversity"] / real
        return figures


class ClipScore(Metric):
    """``clip_score`` and, where there are real images, ``clip_score_real``, with ``_low`` and ``_high``: the mean cosine
    (-1 to 1) of an image's CLIP features and those of the text of its emotion (Hessel et al. 2021, neither clipped at
    zero nor scaled). Only figures of one CLIP and one text compare."""

    config: ClipScoreConfig
    needs: ClassVar[tuple[str, ...]] = ("generated",)
    group: ClassVar[str] = "generation"

    def __init__(self, config: ClipScoreConfig, context: Context) -> None:
        self.config, self.context = config, context
        named = {"model": config.model, "pretrained": config.pretrained}
        self._tower = ImageTower(**named, context=context, batch_size=config.batch_size)
        self._reader = OpenClipTextEncoder(TextEncoderConfig(**named), context)
        if context.device is not None:
            self._reader.to(context.device)

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        _require_images(evidence)
        texts = self._reader.encode([self.config.text.replace("{emotion}", name) for name in evidence.names])
        rng = np.random.default_rng(evidence.seed)
        sets = [("clip_score", evidence.generated, evidence.generated_labels)]
        if evidence.real:
            sets.append(("clip_score_real", evidence.real, evidence.real_labels))
        figures: dict[str, float] = {}
        for name, images, labels in sets:
            cosines = (self._tower.features(images) * texts[list(labels)]).sum(1).double().cpu().numpy()
            drawn = rng.integers(0, len(cosines), (self.config.resamples, len(cosines)))
            figures |= percentiles(name, float(cosines.mean()), cosines[drawn].mean(1))
        return figures


def within_class(features: NDArray[np.float64], labels: Sequence[int]) -> float:
    """Mean over classes of the mean pairwise cosine distance; for unit vectors, the sum over all pairs is the squared
    length of their sum."""
    owners = np.asarray(labels)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    distances = []
    for label in np.unique(owners):
        own = unit[owners == label]
        count = len(own)
        if count >= 2:
            total = own.sum(0)
            distances.append(1 - (float(total @ total) - count) / (count * (count - 1)))
    if not distances:
        raise EmosymError("metric.no-pairs", "no emotion has two images, so there is no diversity to measure",
                          hint="set evaluation.per_class to 2 or more")  # fmt: skip
    return float(np.mean(distances))
