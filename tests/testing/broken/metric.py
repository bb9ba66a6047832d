"""A correct metric, and one broken metric for each check."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from emosym.contracts import ComponentConfig, Evidence, Figure, Metric
from emosym.testing import MetricSuite


class Config(ComponentConfig):
    """No parameters."""


class Right(Metric[Config]):
    """The share of images read right, with a crude interval."""

    figures: ClassVar[Mapping[str, Figure]] = {"share": Figure("share", percent=True)}

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        share = float(self.hits(evidence).mean())
        return {"share": share, "share_low": max(0.0, share - 0.1), "share_high": min(1.0, share + 0.1)}

    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        return {"share": self.hits(evidence)}

    def hits(self, evidence: Evidence) -> NDArray[np.float64]:
        return (np.asarray(evidence.probabilities).argmax(1) == evidence.labels).astype(np.float64)


class Nothing(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return {**super().compute(evidence), "ratio": float("nan")}


class Promising(Right):
    figures: ClassVar[Mapping[str, Figure]] = {**Right.figures, "loss": Figure("loss")}


class Undeclared(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        judged = evidence.judge.probabilities(evidence.samples[0].open())
        return {**super().compute(evidence), "judged": float(judged.max())}


class Renaming(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        figures = super().compute(evidence)
        return {f"share_of_{figures['share']}": figures["share"]}


class Guessing(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        noise = float(np.random.default_rng().normal())
        return {name: value + noise for name, value in super().compute(evidence).items()}


class Content(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return {"share": 1.0}


class FirstOnly(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return {"first": float(evidence.probabilities[0].max())}


class OffCentre(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return {**super().compute(evidence), "share_low": 1.0}


class Sorting(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        figures = super().compute(evidence)
        evidence.probabilities.sort(axis=1)
        return figures


class Percent(Right):
    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        return {"share": 100 * self.hits(evidence)}


class Summed(Right):
    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        return {"share": np.array([self.hits(evidence).mean()])}


class Sorted(Right):
    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        return {"share": np.sort(self.hits(evidence))}


class Unmeasured(Right):
    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        return {**super().per_image(evidence), "errors": 1 - self.hits(evidence)}


class OffByOne(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        table = np.roll(np.asarray(evidence.probabilities), 1, axis=1)
        return super().compute(dataclasses.replace(evidence, probabilities=table))


class EightOnly(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return {**super().compute(evidence), "eighth": float(np.asarray(evidence.probabilities)[:, 7].mean())}


def suite(metric: type[Any]) -> type[MetricSuite]:
    """The suite of one metric."""
    parts = {"best": {"share": 1.0}, "worst": {"share": 0.0}}
    return type(metric.__name__, (MetricSuite,), {"implementation": metric, "config": Config, **parts})


GOOD = suite(Right)
BROKEN = {
    "metric.figures": suite(Nothing),
    "metric.needs": suite(Undeclared),
    "metric.names": suite(Renaming),
    "metric.deterministic": suite(Guessing),
    "metric.notices": suite(Content),
    "metric.order": suite(FirstOnly),
    "metric.per-image": suite(Percent),
    "metric.interval": suite(OffCentre),
    "metric.extremes": suite(OffByOne),
    "metric.labels-fit": suite(EightOnly),
    "metric.leaves-evidence": suite(Sorting),
}
ALSO_BROKEN = (
    ("metric.figures", suite(Promising)),
    ("metric.per-image", suite(Summed)),
    ("metric.per-image", suite(Sorted)),
    ("metric.per-image", suite(Unmeasured)),
)
