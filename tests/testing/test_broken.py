"""Every check can fail: a set of broken components, one for each, proves it. And a correct component passes them all."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from emosym.testing import SUITES, ConformanceSuite, run_suite
from emosym.testing.checks import TIERS

KINDS = sorted(path.stem for path in (Path(__file__).parent / "broken").glob("[a-z]*.py"))


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


@pytest.mark.parametrize(
    ("id", "suite"), [pytest.param(*pair, id=f"{pair[0]}-{pair[1].__name__}") for pair in pairs()]
)
def test_a_broken_component_fails_its_check(id: str, suite: type[ConformanceSuite]) -> None:
    (result,) = run_suite(suite, only=[id])
    assert (result.check.id, result.outcome) == (id, "failed"), result.detail
    assert result.detail


@pytest.mark.parametrize("kind", KINDS)
def test_a_correct_component_passes_every_check(kind: str) -> None:
    results = list(run_suite(broken(kind).GOOD, tiers=list(TIERS)))
    assert {result.outcome for result in results} <= {"passed", "not applicable"}, [
        (result.check.id, result.detail) for result in results if result.outcome == "failed"
    ]
    assert sum(result.outcome == "passed" for result in results) > len(results) / 2
