"""Figures of metrics: each has one owner, and a metric that breaks is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from emosym_registry import ComponentSpec, EmosymError, Offer
from emosym_registry.discovery import Found

from emosym.assembly import blamed
from emosym.contracts import Evidence, Metric
from emosym.evaluation.evaluate import compute

EVIDENCE = Evidence(names=("awe", "fear"), probabilities=np.eye(2), labels=np.arange(2))


class Fixed(Metric):
    """Returns what it was given."""

    def __init__(self, figures: Mapping[str, float]) -> None:
        self.figures = figures

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return self.figures


class Breaking(Metric):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        raise ZeroDivisionError("nothing to divide by")


class Abstract(Metric):
    """Lacks ``compute``."""


def offer(name: str, plugin: str = "mine") -> Offer:
    found = Found(plugin, f"{plugin}.plugin", f"emosym-{plugin}", "1.2")
    return Offer(found, ComponentSpec("metric", name, f"{plugin}:Nowhere", f"{plugin}:Nowhere"))


def test_figures_of_all_metrics_come_together() -> None:
    metrics = [(offer("a"), Fixed({"x": 1})), (offer("b"), Fixed({"y": 2}))]
    assert compute(metrics, EVIDENCE, "understanding") == {"x": 1.0, "y": 2.0}


@pytest.mark.parametrize("figures", [{"x": 2.0}, {"y": 2.0, "confusion": 0.0}])
def test_a_figure_has_one_owner(figures: dict[str, float]) -> None:
    metrics = [(offer("a"), Fixed({"x": 1})), (offer("b", "yours"), Fixed(figures))]
    with pytest.raises(EmosymError, match=r"metric yours/b returns the figure '(x|confusion)'") as error:
        compute(metrics, EVIDENCE, "understanding")
    assert error.value.id == "evaluation.figure-twice"
    assert ("mine/a" if "x" in figures else "the evaluation itself") in error.value.message


def test_a_metric_that_raises_is_named_with_its_plugin() -> None:
    with pytest.raises(
        EmosymError, match="metric mine/a failed to compute: ZeroDivisionError: nothing"
    ) as error:
        compute([(offer("a"), Breaking())], EVIDENCE, "understanding")
    assert error.value.id == "plugin.failed-to-compute"
    assert error.value.ours
    assert "emosym-mine 1.2" in error.value.hint
    assert isinstance(error.value.__cause__, ZeroDivisionError)


def test_an_abstract_class_is_named_with_its_plugin() -> None:
    implementation: Any = Abstract
    with (
        pytest.raises(EmosymError, match="metric mine/a failed to build: .*abstract") as error,
        blamed(offer("a"), "build"),
    ):
        implementation()
    assert error.value.id == "plugin.failed-to-build"


def test_an_error_that_explains_itself_passes() -> None:
    with pytest.raises(EmosymError, match="^mine own$"), blamed(offer("a"), "build"):
        raise EmosymError("mine.own", "mine own")
