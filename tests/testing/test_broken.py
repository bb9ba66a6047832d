"""Every check can fail: a set of broken components, one for each, proves it. And a correct component passes
them all."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emosym.testing import SUITES, ConformanceSuite, Result, run_suite

KINDS = sorted(path.stem for path in (Path(__file__).parent / "broken").glob("[a-z]*.py"))

BY_RAISING = {
    "dataset.picklable": "pickle itself refuses",
    "dataset.problems-told": "it raises where it should tell",
    "dataset.facts": "json itself refuses",
    "judge.any-picture": "it raises where it should judge",
    "knowledge.unknown-image": "it raises where it should have no text",
    "metric.needs": "it reads what it was not given",
    "metric.labels-fit": "it fails at work, where it should refuse when built",
    "reward.resources": "it uses what it was not given",
    "reward.labels-fit": "it fails at work, where it should refuse when built",
}
"""Checks whose broken component fails by an exception, and why that is the very fault; all others by what
they return."""


def broken(kind: str) -> ModuleType:
    """The module of broken components of a kind."""
    return importlib.import_module(f".broken.{kind}", __package__)


def pairs() -> Iterator[tuple[str, type[ConformanceSuite]]]:
    """Every check with a suite whose component breaks it; some checks are broken in several ways."""
    for kind in KINDS:
        yield from broken(kind).BROKEN.items()
        yield from getattr(broken(kind), "ALSO_BROKEN", ())


def test_every_check_of_every_kind_has_a_component_that_breaks_it() -> None:
    listed = {id for id, _ in pairs()}
    known = {promise.id for suite in SUITES.values() for promise in suite.checks()}
    assert known == listed
    assert set(KINDS) == {"component", *SUITES}


def params() -> Iterator[Any]:
    """The pairs for pytest; those of the slow tier, and of the kinds whose components are whole models, marked as slow."""
    slow = {promise.id for suite in SUITES.values() for promise in suite.checks() if promise.tier == "slow"}
    for id, suite in pairs():
        marks = [pytest.mark.slow] if id in slow or id.startswith(("backbone.", "diffusion.")) else []
        yield pytest.param(id, suite, id=f"{id}-{suite.__name__}", marks=marks)


@pytest.mark.parametrize(("id", "suite"), params())
def test_a_broken_component_fails_its_check(id: str, suite: type[ConformanceSuite]) -> None:
    (result,) = run_suite(suite, only=[id])
    assert (result.check.id, result.outcome) == (id, "failed"), result.detail
    assert result.detail
    raised = re.match(r"[A-Za-z]*(Error|Exception|Interrupt|Exit|Skipped|Warning): ", result.detail)
    assert bool(raised) == (id in BY_RAISING), result.detail


def good() -> Iterator[Any]:
    """The correct components of every kind."""
    for kind in KINDS:
        for suite in (broken(kind).GOOD, *getattr(broken(kind), "ALSO_GOOD", ())):
            yield pytest.param(suite, id=f"{kind}-{suite.__name__}")


def results_of(suite: type[ConformanceSuite], *tiers: str) -> list[Result]:
    """How a correct component does; nothing may fail."""
    results = list(run_suite(suite, tiers=tiers))
    failed = [(result.check.id, result.detail) for result in results if result.outcome == "failed"]
    assert not failed
    return results


@pytest.mark.parametrize("suite", good())
def test_a_correct_component_passes_every_check(suite: type[ConformanceSuite]) -> None:
    outcomes = Counter(result.outcome for result in results_of(suite, "core", "capability"))
    assert set(outcomes) <= {"passed", "not applicable"}
    assert outcomes["passed"] > outcomes.total() / 2


def test_a_head_without_text_is_asked_nothing_of_prompts() -> None:
    (wordless,) = broken("diffusion").ALSO_GOOD
    words = {f"diffusion.{id}" for id in ("text-matters", "placeholder", "never-truncates", "vocabulary")}
    assert {result.outcome for result in run_suite(wordless, only=words)} == {"not applicable"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["backbone", "diffusion"])
def test_a_correct_component_passes_the_slow_tier(kind: str) -> None:
    assert {result.outcome for result in results_of(broken(kind).GOOD, "slow")} == {"passed"}
