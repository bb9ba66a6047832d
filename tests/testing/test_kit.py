"""The kit cannot be talked round: checks stay, suites are about their own component, outcomes are what they
are."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from emosym_registry import ComponentSpec, EmosymError, InstalledPlugin, RegisteredComponent

from emosym.contracts import Rollouts
from emosym.testing import (
    ConformanceSuite,
    NotApplicable,
    RewardSuite,
    check,
    installed,
    run_suite,
    suite_for,
)

from .broken.reward import Config, Loud, Right, suite

ROOT = Path(__file__).parents[2]
Sound = suite(Right)


class Quitting(Right):
    def score(self, rollouts: Rollouts) -> Any:
        sys.exit("no licence")


class Interrupted(Right):
    def score(self, rollouts: Rollouts) -> Any:
        raise KeyboardInterrupt


# ---- checks that stay


@pytest.mark.parametrize(
    "body",
    [
        {"test_range": None, "test_shape": None},
        {"test_range": lambda self: None, "test_shape": lambda self: None},
        {
            "test_range": check("reward.range", "anything", tier="slow")(lambda self: None),
            "test_shape": check("reward.form", "anything")(lambda self: None),
        },
    ],
    ids=["none", "unmarked", "another tier or id"],
)
def test_a_subclass_cannot_take_checks_away(body: dict[str, Any]) -> None:
    with pytest.raises(EmosymError) as refused:
        type("Mine", (Sound,), body)
    assert refused.value.id == "conformance.lost-check"
    assert "Mine takes away reward.range, reward.shape" in refused.value.message


def test_a_subclass_may_add_checks_and_override_one_under_its_own_id() -> None:
    class Mine(Sound):  # type: ignore[misc, valid-type]
        test_range = check("reward.range", "finite scores")(lambda self: None)
        test_own = check("reward.own", "something")(lambda self: None)

    assert {one.id for one in Mine.checks()} == {*(one.id for one in Sound.checks()), "reward.own"}


# ---- suites that are about their own component


class OfLabel(RewardSuite):
    component = "label"


class OfLabelQualified(RewardSuite):
    component = "emosym-reasoning/label"


class OfValence(RewardSuite):
    component = "emosym-reasoning/valence"


class OfNothing(RewardSuite):
    pass


class OfLabelInName(RewardSuite):
    component = "label"
    implementation = Right
    config = Config


def label_with(suite: type[RewardSuite]) -> RegisteredComponent:
    """The reward ``label`` as if its plugin named ``suite``."""
    known = installed().find("reward", "label")
    spec = ComponentSpec(
        "reward", "label", known.spec.target, known.spec.config, conformance=f"{__name__}:{suite.__name__}"
    )
    return RegisteredComponent(InstalledPlugin("emosym-reasoning", __name__, "emosym", "1.0"), spec)


@pytest.mark.parametrize("own", [OfLabel, OfLabelQualified])
def test_a_plugins_suite_of_the_component_is_taken(own: type[RewardSuite]) -> None:
    assert suite_for(label_with(own)) is own


@pytest.mark.parametrize(
    ("foreign", "cause"),
    [
        (OfValence, "names component 'emosym-reasoning/valence'"),
        (OfNothing, "names component ''"),
        (OfLabelInName, "tests Right, not emosym_reasoning.rewards."),
    ],
)
def test_a_suite_of_something_else_is_refused(foreign: type[RewardSuite], cause: str) -> None:
    with pytest.raises(EmosymError) as refused:
        suite_for(label_with(foreign))
    assert refused.value.id == "conformance.foreign-suite"
    assert cause in refused.value.message


# ---- outcomes that are what they are


def line_of(method: Any) -> int:
    """The line of a method's first statement."""
    lines, start = inspect.getsourcelines(method)
    return start + next(number for number, line in enumerate(lines) if "def " in line) + 1


def outcomes(suite: type[RewardSuite], *ids: str) -> list[tuple[str, str]]:
    """Outcome and detail of the checks of ``ids``, in the order of all ids."""
    return [(result.outcome, result.detail) for result in run_suite(suite, only=ids)]


def test_a_component_that_exits_fails_and_the_next_check_runs() -> None:
    shape, verifiable = outcomes(suite(Quitting), "reward.shape", "reward.verifiable")
    assert (
        shape == verifiable == ("failed", f"SystemExit: no licence (at {__file__}:{line_of(Quitting.score)})")
    )


def test_ctrl_c_stops_the_checks() -> None:
    with pytest.raises(KeyboardInterrupt):
        outcomes(suite(Interrupted), "reward.shape")


def expecting(reward: type[Any], reasons: Mapping[str, str]) -> type[RewardSuite]:
    """The suite of a reward with declared failures."""
    parts = {"implementation": reward, "config": Config, "expected_failures": reasons}
    return type(reward.__name__, (RewardSuite,), parts)


def test_a_declared_failure_is_an_expected_failure_with_its_reason() -> None:
    declared = expecting(Loud, {"reward.range": "a margin, not a share"})
    assert outcomes(declared, "reward.range") == [("expected failure", "a margin, not a share")]


def test_a_declared_failure_that_holds_is_a_failure() -> None:
    declared = expecting(Right, {"reward.range": "a margin, not a share"})
    ((outcome, detail),) = outcomes(declared, "reward.range")
    assert (outcome, "declared to fail (a margin, not a share)" in detail) == ("failed", True)


@pytest.mark.parametrize(
    ("reasons", "id"),
    [
        ({"reward.rang": "a reason"}, "conformance.unknown-check"),
        ({"reward.range": " "}, "conformance.no-reason"),
    ],
)
def test_a_declared_failure_needs_a_check_and_a_reason(reasons: Mapping[str, str], id: str) -> None:
    with pytest.raises(EmosymError) as refused:
        expecting(Right, reasons)
    assert refused.value.id == id
    assert "reward.range" in f"{refused.value.message} {refused.value.hint}"


class Skipping(Sound):  # type: ignore[misc, valid-type]
    """What a check may do instead of checking."""

    @check("reward.core-skips", "something")
    def test_core_skips(self) -> None:
        raise NotApplicable("nothing to see")

    @check("reward.core-pytest-skips", "something")
    def test_core_pytest_skips(self) -> None:
        pytest.skip("nothing to see")

    @check("reward.capability-skips", "something", tier="capability")
    def test_capability_skips(self) -> None:
        raise NotApplicable("nothing to see")


def test_only_a_check_of_a_capability_may_not_apply() -> None:
    seen = outcomes(Skipping, "reward.core-skips", "reward.core-pytest-skips", "reward.capability-skips")
    assert seen == [
        ("not applicable", "nothing to see"),
        ("failed", f"Skipped: nothing to see (at {__file__}:{line_of(Skipping.test_core_pytest_skips)})"),
        ("failed", "that it was skipped: nothing to see"),
    ]


@pytest.mark.parametrize("component", installed().components(), ids=lambda one: one.qualified)
def test_no_first_party_suite_declares_a_failure(component: RegisteredComponent) -> None:
    suite = suite_for(component)
    beside = vars(sys.modules[suite.__module__]).values()  # its variants in the same conformance.py
    variants = [one for one in beside if isinstance(one, type) and issubclass(one, ConformanceSuite)]
    assert not [one.__name__ for one in (suite, *variants) if one.expected_failures]


# ---- under pytest

UNDER_PYTEST = """
from emosym.testing import NotApplicable, RewardSuite, check
from tests.testing.broken.reward import Config, Loud, Right


class TestOutcomes(RewardSuite):
    implementation, config = Right, Config

    @check("reward.core-skips", "something")
    def test_core_skips(self):
        raise NotApplicable("nothing to see")

    @check("reward.capability-skips", "something", tier="capability")
    def test_capability_skips(self):
        raise NotApplicable("nothing to see")

    @check("reward.takes-long", "something", tier="slow")
    def test_takes_long(self):
        raise AssertionError("the slow tier ran")


class TestDeclared(RewardSuite):
    implementation, config = Loud, Config
    expected_failures = {"reward.range": "a margin, not a share", "reward.shape": "it is flat"}
"""


@pytest.fixture(scope="module")
def under_pytest(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str]:
    """Exit status and output of pytest on the file above, without the slow tier."""
    file = tmp_path_factory.mktemp("suites") / "test_mine.py"
    file.write_text(UNDER_PYTEST, encoding="utf-8")
    chosen = "range or shape or skips or takes_long"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            file,
            *["-v", "-rA", "-p", "no:cacheprovider", "-m"],
            "not slow",
            "-k",
            chosen,
        ],
        cwd=file.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "test_mine.py::TestOutcomes::test_range PASSED",
        "test_mine.py::TestOutcomes::test_core_skips FAILED",
        "test_mine.py::TestOutcomes::test_capability_skips SKIPPED (nothing to see)",
        "test_mine.py::TestDeclared::test_range XFAIL (reward.range: a margin, not a share)",
        "test_mine.py::TestDeclared::test_shape FAILED",
        "reward.core-skips: expected something; saw that it was skipped: nothing to see",
        "reward.shape: expected scores of shape [B,G], float32, without gradient; saw that it holds, though",
        "emosym conformance: 2 passed, 2 failed, 1 expected failure, 1 not applicable",
    ],
)
def test_pytest_tells_the_same_outcomes(under_pytest: tuple[int, str], line: str) -> None:
    status, out = under_pytest
    assert line in out
    assert status == 1


def test_pytest_leaves_the_slow_tier_out(under_pytest: tuple[int, str]) -> None:
    _, out = under_pytest
    assert "takes_long" not in out
    assert "deselected" in out
