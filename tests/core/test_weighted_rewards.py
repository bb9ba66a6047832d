"""Scores of several rewards become one, and rounding beyond a range is cut."""

from __future__ import annotations

import torch

from emosym.assembly import WeightedReward
from emosym.contracts import ComponentConfig, Context, LabelSet, RewardVerifier, Rollouts, Sample, States
from emosym.stages.reinforce import weighted


class Fixed(RewardVerifier):
    """Gives the scores that it is told."""

    scores: torch.Tensor

    def score(self, rollouts: Rollouts) -> torch.Tensor:
        return self.scores


def reward(name: str, weight: float, *rows: list[float]) -> WeightedReward:
    made = Fixed(ComponentConfig(), Context(LabelSet(("awe", "fear"))))
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
