"""Figures of metrics: each has one owner, and a metric that breaks is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from emosym_registry import ComponentSpec, EmosymError, InstalledPlugin, RegisteredComponent, Registry

from emosym.assembly import Builder, attributed
from emosym.contracts import ComponentConfig, Context, Evidence, LabelSet, Metric, Sample
from emosym.evaluation.evaluate import compute, contributions, measured, understanding

SAMPLES = [Sample(str(label), (b"",), label) for label in (0, 1)]
EVIDENCE = Evidence(("awe", "fear"), SAMPLES, np.eye(2))
CONTEXT = Context(LabelSet(("awe", "fear")))


class Fixed(Metric):
    """Returns what it was given."""

    def __init__(self, returned: Mapping[str, float]) -> None:
        super().__init__(ComponentConfig(), CONTEXT)
        self.returned = returned

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        return self.returned


class Breaking(Metric):
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        raise ZeroDivisionError("nothing to divide by")


class Choosy(Metric):
    """Wants more pictures than there are."""

    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        raise EmosymError("metric.too-few", "it needs a thousand pictures", hint="bring more")

    def per_image(self, evidence: Evidence) -> Mapping[str, Any]:
        raise AssertionError("asked although it was left out")


class Abstract(Metric):
    """Lacks ``compute``."""


def offer(name: str, plugin: str = "mine") -> RegisteredComponent:
    found = InstalledPlugin(plugin, f"{plugin}.plugin", f"emosym-{plugin}", "1.2")
    return RegisteredComponent(found, ComponentSpec("metric", name, f"{plugin}:Nowhere", f"{plugin}:Nowhere"))


def test_figures_of_all_metrics_come_together() -> None:
    metrics = [(offer("a"), Fixed({"x": 1})), (offer("b"), Fixed({"y": 2}))]
    assert compute(metrics, EVIDENCE, "understanding") == {"x": 1.0, "y": 2.0}


def test_a_metric_that_there_are_too_few_pictures_for_is_left_out_with_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics = [(offer("choosy"), Choosy(ComponentConfig(), CONTEXT)), (offer("b"), Fixed({"y": 2}))]
    assert measured(metrics, EVIDENCE, "understanding") == ({"y": 2.0}, {})
    warning = "warning: metric choosy is left out: it needs a thousand pictures; bring more\n"
    assert capsys.readouterr().err == warning
    with pytest.raises(EmosymError, match="a thousand"):
        compute(metrics, EVIDENCE, "understanding")


@pytest.mark.parametrize("figures", [{"x": 2.0}, {"y": 2.0, "confusion": 0.0}])
def test_a_figure_has_one_owner(figures: dict[str, float]) -> None:
    metrics = [(offer("a"), Fixed({"x": 1})), (offer("b", "yours"), Fixed(figures))]
    with pytest.raises(EmosymError, match=r"metric yours/b returns the figure '(x|confusion)'") as error:
        compute(metrics, EVIDENCE, "understanding")
    assert error.value.id == "evaluation.figure-twice"
    assert ("mine/a" if "x" in figures else "the evaluation itself") in error.value.message


def test_a_metric_that_raises_is_named_with_its_plugin() -> None:
    with pytest.raises(
        EmosymError, match=r"metric mine/a \(emosym-mine 1.2\) failed in compute: ZeroDivisionError: nothing"
    ) as error:
        compute([(offer("a"), Breaking(ComponentConfig(), CONTEXT))], EVIDENCE, "understanding")
    assert error.value.id == "plugin.component-failed"
    assert error.value.ours
    assert isinstance(error.value.__cause__, ZeroDivisionError)


def test_an_abstract_class_is_named_with_its_plugin() -> None:
    implementation: Any = Abstract
    with (
        pytest.raises(
            EmosymError, match=r"metric mine/a \(emosym-mine 1.2\) failed in __init__: .*abstract"
        ) as error,
        attributed(offer("a"), "__init__"),
    ):
        implementation()
    assert error.value.id == "plugin.component-failed"


def test_an_error_that_explains_itself_passes() -> None:
    with pytest.raises(EmosymError, match="^mine own$"), attributed(offer("a"), "__init__"):
        raise EmosymError("mine.own", "mine own")


class Torn:
    """Stands for a component that fails in its work, some calls below the run."""

    def work(self) -> None:
        self.deeper()

    def deeper(self) -> None:
        raise ConnectionError("no bank there")


def test_what_a_component_raises_anywhere_below_a_run_names_it() -> None:
    resolved: Any = SimpleNamespace(offers={"memory": offer("a")})
    builder = Builder(resolved, Registry(), CONTEXT, torch.device("cpu"), "fp32", {"memory": Torn()})
    with (
        pytest.raises(
            EmosymError, match=r"metric mine/a \(emosym-mine 1.2\) failed in deeper: ConnectionError: no bank"
        ) as error,
        builder.naming(),
    ):
        builder.built["memory"].work()
    assert isinstance(error.value.__cause__, ConnectionError)
    with pytest.raises(ZeroDivisionError), builder.naming():
        raise ZeroDivisionError("the core's own")


def test_a_metric_of_readings_may_ask_the_judge() -> None:
    class Judged(Metric):
        def compute(self, evidence: Evidence) -> Mapping[str, float]:
            return {"agrees": float(evidence.judge is judge)}

    judge: Any = object()
    system: Any = SimpleNamespace(
        explicit=False,
        read=lambda samples, batch_size: (None, torch.eye(2)),
        labels=CONTEXT.labels,
        resolved=SimpleNamespace(spec=SimpleNamespace(seed=0)),
    )
    metrics = [(offer("judged"), Judged(ComponentConfig(), CONTEXT))]
    assert understanding(system, SAMPLES, metrics, judge, split="test").figures["agrees"] == 1.0


def test_a_figure_that_is_no_finite_number_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert np.isnan(compute([(offer("a"), Fixed({"x": float("nan")}))], EVIDENCE, "understanding")["x"])
    assert capsys.readouterr().err == "warning: metric mine/a (emosym-mine 1.2): x is nan\n"
    text: Any = {"x": "0.5"}
    with pytest.raises(EmosymError, match="figure 'x' is the text '0.5', no number"):
        compute([(offer("a"), Fixed(text))], EVIDENCE, "understanding")


class Each(Fixed):
    """Gives ``per_image`` what it was told to."""

    def __init__(self, each: Mapping[str, Any]) -> None:
        super().__init__({"x": 0.5})
        self.each = each

    def per_image(self, evidence: Evidence) -> Mapping[str, Any]:
        return self.each


def contributed(metric: Metric) -> Mapping[str, Any]:
    figures = compute([(offer("a"), metric)], EVIDENCE, "understanding")
    return contributions([(offer("a"), metric)], EVIDENCE, "understanding", figures)


def test_what_each_image_contributes_has_the_figure_as_its_mean() -> None:
    rounded = np.array([0.0, 1.0 + 1e-10])
    assert contributed(Each({"x": rounded}))["x"].tolist() == rounded.tolist()
    assert contributed(Fixed({"x": 0.5})) == {}


@pytest.mark.parametrize(
    ("each", "said"),
    [
        ({"x": [0.5]}, r"per_image of 'x': shape \[1\], not one value for each of the 2 images"),
        ({"x": [[0.5], [0.5]]}, r"per_image of 'x': shape \[2, 1\]"),
        ({"x": [0.0, 1.0 + 1e-8]}, r"per_image of 'x': the mean is 0.500000005, and the figure is 0.5"),
        ({"x": [0.5, float("nan")]}, r"the mean is nan"),
        ({"y": [0.5, 0.5]}, r"per_image of 'y': compute has no such figure"),
    ],
)
def test_contributions_that_are_none_name_the_metric_and_its_package(each: Any, said: str) -> None:
    with pytest.raises(EmosymError, match=r"metric mine/a \(emosym-mine 1.2\): .*" + said) as error:
        contributed(Each(each))
    assert error.value.id == "evaluation.not-per-image"


def test_a_metric_that_raises_for_each_image_is_named() -> None:
    text: Any = {"x": ["a", "b"]}
    with pytest.raises(
        EmosymError, match=r"metric mine/a \(emosym-mine 1.2\) failed in per_image: ValueError"
    ):
        contributed(Each(text))


def test_what_two_ask_of_one_evidence_is_worked_out_once() -> None:
    calls: list[int] = []
    evidence = Evidence(("awe", "fear"))
    for _ in range(2):
        assert evidence.once("key", lambda: calls.append(1) or len(calls)) == 1
    assert dataclasses.replace(evidence, seed=1).once("key", lambda: "other evidence") == "other evidence"
    assert evidence.judged("generated") is None
