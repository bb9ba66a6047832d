"""Scores of several rewards become one, of those that apply; rounding beyond a range is cut."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from emosym_registry import EmosymError

from emosym.assembly import WeightedReward
from emosym.contracts import (
    ComponentConfig,
    Context,
    LabelSet,
    RewardTable,
    RewardVerifier,
    Rollouts,
    Sample,
    States,
)
from emosym.rewards import rewarded, weighted


class Fixed(RewardVerifier):
    """Gives the scores that it is told."""

    scores: torch.Tensor
    silent: tuple[str, ...] = ()

    def applies(self, samples: Sequence[Sample]) -> torch.Tensor:
        return torch.tensor([sample.id not in self.silent for sample in samples])

    def score(self, rollouts: Rollouts) -> torch.Tensor:
        return self.scores


def reward(name: str, weight: float, *rows: list[float], silent: tuple[str, ...] = ()) -> WeightedReward:
    made = Fixed(ComponentConfig(), Context(LabelSet(("awe", "fear"))))
    made.silent = silent
    made.scores = torch.tensor(rows)
    return WeightedReward(name, weight, made)


ROLLOUTS = Rollouts(
    samples=[Sample("s0", ()), Sample("s1", ())],
    labels=torch.tensor([0, 1]),
    actions=torch.zeros(2, 2, dtype=torch.long),
    probabilities=torch.full((2, 2, 2), 0.5),
    states=States(torch.zeros(2, 2, 1, 4), torch.zeros(2, 2, 4)),
)


def test_the_total_is_the_weighted_sum() -> None:
    rewards = [reward("a", 0.5, [1.0, 0.0], [0.5, 0.5]), reward("b", 2.0, [0.0, 0.25], [1.0, 1.0])]
    total, each = weighted(rewards, ROLLOUTS)
    assert total.tolist() == [[0.5, 0.5], [2.25, 2.25]]
    assert list(each) == ["a", "b"]


def test_rounding_beyond_the_range_is_cut() -> None:
    total, _ = weighted([reward("a", 1.0, [1.00005, -0.00005], [0.0, 1.0])], ROLLOUTS)
    assert (float(total.min()), float(total.max())) == (0.0, 1.0)


def test_rewards_that_apply_stand_for_those_that_do_not() -> None:
    rewards = [
        reward("a", 0.5, [1.0, 0.0], [math.nan, math.nan], silent=("s1",)),
        reward("b", 1.5, [0.0, 1.0], [1.0, 0.5]),
    ]
    total, each = weighted(rewards, ROLLOUTS)
    # Where both apply the weighted sum; elsewhere the weighted mean of those that do, times the sum of all weights.
    assert total.tolist() == [[0.5, 1.5], [2.0, 1.0]]
    assert each["a"][1].isnan().all()
    assert each["b"].isfinite().all()


def test_where_no_reward_applies_all_tries_are_alike() -> None:
    total, each = weighted([reward("a", 1.0, [1.0, 0.0], [1.0, 0.0], silent=("s1",))], ROLLOUTS)
    assert total.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert each["a"][1].isnan().all()


def test_a_table_adds_up_as_the_tries_do() -> None:
    rewards = [
        reward("a", 0.5, [1.0, 0.0], [0.5, 0.5], silent=("s1",)),
        reward("b", 1.5, [0.0, 1.0], [1.0, 0.5]),
    ]
    total, each = weighted(rewards, ROLLOUTS)
    table = RewardTable(
        {name: scores.double().numpy() for name, scores in each.items()},
        {one.name: one.weight for one in rewards},
    )
    np.testing.assert_allclose(table.total(), total.numpy())
    np.testing.assert_allclose(table.total({"b": 2.0}), 2 * each["b"].numpy())
    assert np.isnan(table.total({"a": 1.0})[1]).all()


def test_a_stage_learns_from_what_is_rewarded_or_labelled() -> None:
    samples = [Sample("s0", (), 0), Sample("s1", (), 1), Sample("s2", ())]
    rows = ([0.0], [0.0], [0.0])
    some, none = reward("a", 1.0, *rows, silent=("s1",)), reward("b", 0.0, *rows)
    assert [one.id for one in rewarded([some, none], samples, labels=False)] == ["s0", "s2"]
    assert rewarded([some, none], samples, labels=True) is samples
    with pytest.raises(
        EmosymError, match=r"none of the rewards \(a\) applies to any of the 1 training images"
    ):
        rewarded([some], samples[1:2], labels=True)
