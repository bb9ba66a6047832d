"""Metric ``clip-score``: how well images agree with the text of their emotion."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
from emosym_registry import EmosymError
from numpy.typing import NDArray

from emosym.contracts import Context, Evidence, Figure, Metric
from emosym_metrics.clip import ImageTower
from emosym_metrics.config import PROMPT, ClipScoreConfig, TextEncoderConfig
from emosym_metrics.metrics.intervals import bootstrapped
from emosym_metrics.metrics.pictures import require_generated, sets
from emosym_metrics.text_encoder import OpenClipTextEncoder


class ClipScore(Metric[ClipScoreConfig]):
    """``clip_score`` and, where there are real images, ``clip_score_real``, with ``_low`` and ``_high``:
    the mean cosine (-1 to 1) of an image's CLIP features and those of the text of its emotion (Hessel et
    al. 2021, neither clipped at zero nor scaled). Only figures of one CLIP and one text compare.

    Any picture has some cosine with any text, and noise may have a larger one than real pictures: ``clip_margin``
    (and ``clip_margin_real``) is how much larger it is than with the texts of the other emotions, in their mean. With
    ``text: "{prompt}"`` the texts are the pictures' own prompts, the others those of the other pictures, and real ones,
    which have none, are not measured."""

    needs: ClassVar[tuple[str, ...]] = ("diffusion",)
    group = "generation"
    figures: ClassVar[Mapping[str, Figure]] = {
        "clip_score": Figure("CLIP score", higher_is_better=True, beside="clip_score_real"),
        "clip_score_real": Figure("CLIP score of real images"),
        "clip_margin": Figure(
            "CLIP score above other texts'", higher_is_better=True, beside="clip_margin_real"
        ),
        "clip_margin_real": Figure("The same of real images"),
    }

    def __init__(self, config: ClipScoreConfig, context: Context) -> None:
        super().__init__(config, context)
        self._tower = ImageTower(config.model, config.pretrained, context, config.batch_size)
        if config.text == PROMPT:
            mine = ("clip_score", "clip_margin")
            shown = {name: dataclasses.replace(type(self).figures[name], beside="") for name in mine}
            self.figures = shown  # type: ignore[misc] # of these parameters
        reader = TextEncoderConfig(model=config.model, pretrained=config.pretrained)
        self._reader = OpenClipTextEncoder(reader, context).to(context.device or "cpu")

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        rng = np.random.default_rng(evidence.seed)
        figures: dict[str, float] = {}
        for name, cosines in self._cosines(evidence).items():
            figures |= bootstrapped(name, cosines, self.config.resamples, rng)
        return figures

    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        cosines = self._cosines(evidence)
        return {name: cosines[name] for name in ("clip_score", "clip_margin")}

    def _cosines(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        """Of every picture and its text, for each figure."""
        return evidence.once((self, "cosines"), lambda: dict(self._seen(evidence)))

    def _seen(self, evidence: Evidence) -> Iterator[tuple[str, NDArray[np.float64]]]:
        prompts = self.config.text == PROMPT
        require_generated(evidence)
        texts = (
            [one.prompt for one in evidence.generated]
            if prompts
            else [self.config.text.replace("{emotion}", name) for name in evidence.names]
        )
        if not all(texts):
            raise EmosymError(
                "metric.no-prompts",
                f"clip-score compares with prompts, and {texts.count('')} pictures have none",
                hint="name them in a column prompt, or compare with the emotions: text: a picture that evokes {emotion}",
            )
        encoded = self._reader.encode(texts)
        for name, pictures, labels in sets("clip_score", evidence):
            if prompts and name != "clip_score":
                return  # real pictures were made from no prompt
            cosines = (self._tower.features(pictures) @ encoded.T).double().cpu().numpy()
            rows = np.arange(len(labels))
            own = cosines[rows, rows if prompts else labels]
            others = (cosines.sum(1) - own) / max(cosines.shape[1] - 1, 1)
            yield name, own
            yield name.replace("score", "margin"), own - others
