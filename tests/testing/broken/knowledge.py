"""Correct knowledge, and one broken knowledge for each check."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emosym.contracts import ComponentConfig, Context, Knowledge, Sample
from emosym.testing import KnowledgeSuite


class Config(ComponentConfig):
    """Parameters of the knowledge below."""

    key: str = "scene"


class Right(Knowledge[Config]):
    """Names the annotated scene."""

    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        return [self.text(sample) for sample in samples]

    def text(self, sample: Sample) -> str | None:
        scene = sample.attributes.get(self.config.key)
        return None if scene is None else f"This is a {scene}."


class OnlyKnown(Right):
    """Leaves an image out instead of giving None for it."""

    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        return super().texts(samples)[1:]


class Blank(Right):
    def text(self, sample: Sample) -> str | None:
        return super().text(sample) if sample.attributes.get("brightness") else ""


class Monotonous(Right):
    def text(self, sample: Sample) -> str | None:
        return "This is a picture."


class Chatty(Right):
    """Counts how often it was asked."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.asked = itertools.count()

    def text(self, sample: Sample) -> str | None:
        return f"{super().text(sample)} ({next(self.asked)})"


class Forgetful(Right):
    """Says that it keeps its texts, and does not."""

    @property
    def file(self) -> Path:
        return self.resources.file


class ByPlace(Right):
    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        return [f"{place}: {self.text(sample)}" for place, sample in enumerate(samples)]


class Telling(Right):
    def text(self, sample: Sample) -> str | None:
        if sample.label is None:
            return None
        return f"{super().text(sample)} One feels {self.context.labels.names[sample.label]}."


class Presuming(Right):
    def text(self, sample: Sample) -> str | None:
        return f"This is a {sample.attributes[self.config.key]}."


class Consuming(Right):
    """Takes the annotation out of the sample."""

    def text(self, sample: Sample) -> str | None:
        scene = sample.attributes.pop(self.config.key, None)  # type: ignore[attr-defined]
        return None if scene is None else f"This is a {scene}."


def suite(knowledge: type[Any]) -> type[KnowledgeSuite]:
    """The suite of one knowledge."""
    return type(knowledge.__name__, (KnowledgeSuite,), {"implementation": knowledge, "config": Config})


GOOD = suite(Right)
BROKEN = {
    "knowledge.one-each": suite(OnlyKnown),
    "knowledge.text-or-none": suite(Blank),
    "knowledge.says-something": suite(Monotonous),
    "knowledge.repeatable": suite(Chatty),
    "knowledge.keeps-file": suite(Forgetful),
    "knowledge.order": suite(ByPlace),
    "knowledge.no-label": suite(Telling),
    "knowledge.unknown-image": suite(Presuming),
    "knowledge.leaves-samples": suite(Consuming),
}
