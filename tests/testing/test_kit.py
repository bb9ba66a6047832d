"""The kit cannot be talked round: checks stay, suites are about their own component, outcomes are what they are."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from emosym_registry import ComponentSpec, EmosymError, Offer
from emosym_registry.discovery import Found

from emosym.contracts import Rollouts
from emosym.testing import RewardSuite, check, run_suite, suite_for
from emosym.testing.suite import installed

from .broken.reward import Config, Right, suite

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


def offer_with(suite: type[RewardSuite]) -> Offer:
    """The offer of reward ``label`` as if its plugin named ``suite``."""
    known = installed().find("reward", "label")
    spec = ComponentSpec(
        "reward", "label", known.spec.target, known.spec.config, conformance=f"{__name__}:{suite.__name__}"
    )
    return Offer(Found("emosym-reasoning", __name__, "emosym", "1.0"), spec)


@pytest.mark.parametrize("own", [OfLabel, OfLabelQualified])
def test_a_plugins_suite_of_the_component_is_taken(own: type[RewardSuite]) -> None:
    assert suite_for(offer_with(own)) is own


@pytest.mark.parametrize(
    ("foreign", "cause"),
    [
        (OfValence, "names component 'emosym-reasoning/valence'"),
        (OfNothing, "names component ''"),
        (OfLabelInName, "tests Right, not emosym_reasoning.rewards.annotated:LabelReward"),
    ],
)
def test_a_suite_of_something_else_is_refused(foreign: type[RewardSuite], cause: str) -> None:
    with pytest.raises(EmosymError) as refused:
        suite_for(offer_with(foreign))
    assert refused.value.id == "conformance.foreign-suite"
    assert cause in refused.value.message


# ---- outcomes that are what they are


def outcomes(suite: type[RewardSuite], *ids: str) -> list[tuple[str, str]]:
    """Outcome and detail of the checks of ``ids``, in the order of all ids."""
    return [(result.outcome, result.detail) for result in run_suite(suite, only=ids)]


def test_a_component_that_exits_fails_and_the_next_check_runs() -> None:
    shape, verifiable = outcomes(suite(Quitting), "reward.shape", "reward.verifiable")
    assert shape == verifiable == ("failed", "SystemExit: no licence")


def test_ctrl_c_stops_the_checks() -> None:
    with pytest.raises(KeyboardInterrupt):
        outcomes(suite(Interrupted), "reward.shape")
