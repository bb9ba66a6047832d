"""A correct metric, and one broken metric for each check."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from emosym.contracts import ComponentConfig, Context, Evidence, Metric
from emosym.testing import MetricSuite


class Config(ComponentConfig):
    """No parameters."""


class Right(Metric):
    """The share of images read right, with a crude interval."""

    needs: ClassVar[tuple[str, ...]] = ("probabilities",)

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        hits = np.asarray(evidence.probabilities).argmax(1) == np.asarray(evidence.labels)
        share = float(hits.mean())
        return {"share": share, "share_low": max(0.0, share - 0.1), "share_high": min(1.0, share + 0.1)}


class Nothing(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return {**super().compute(evidence), "ratio": float("nan")}


class Undeclared(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return {**super().compute(evidence), "pictures": float(evidence.judge.features(evidence.real).mean())}


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


class OffByOne(Right):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return super().compute(dataclasses.replace(evidence, labels=np.asarray(evidence.labels) + 1))


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
    "metric.interval": suite(OffCentre),
    "metric.extremes": suite(OffByOne),
    "metric.labels-fit": suite(EightOnly),
    "metric.leaves-evidence": suite(Sorting),
}
