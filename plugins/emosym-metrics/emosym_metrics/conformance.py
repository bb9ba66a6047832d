"""How the conformance checks make the components that need weights: the embedded ones of ``emosym-tiny``."""

from __future__ import annotations

from typing import ClassVar

from emosym.testing import JudgeSuite, MetricSuite, TextEncoderSuite


class OpenClipText(TextEncoderSuite):
    """Text encoder ``open-clip``."""

    component = "emosym-metrics/open-clip"
    params: ClassVar = {"model": "tiny"}


class OpenClipJudge(JudgeSuite):
    """Judge ``open-clip``."""

    component = "emosym-metrics/open-clip"
    params: ClassVar = {"model": "tiny"}


class ImageClassifierJudge(JudgeSuite):
    """Judge ``image-classifier``."""

    component = "emosym-metrics/image-classifier"
    params: ClassVar = {"model": "tiny"}


class ClipScore(MetricSuite):
    """Metric ``clip-score``."""

    component = "emosym-metrics/clip-score"
    params: ClassVar = {"model": "tiny"}
