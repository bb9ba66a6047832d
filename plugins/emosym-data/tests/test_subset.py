"""Drawing class by class."""

from __future__ import annotations

from collections import Counter

import pytest
from emosym_data.subset import stratified

LABELS = ["a"] * 60 + ["b"] * 30 + ["c"] * 10


@pytest.mark.parametrize(("count", "shares"), [(10, (6, 3, 1)), (50, (30, 15, 5)), (3, (1, 1, 1))])
def test_shares_follow_the_classes(count: int, shares: tuple[int, ...]) -> None:
    drawn = Counter(LABELS[i] for i in stratified(LABELS, count, 0))
    assert tuple(drawn[name] for name in "abc") == shares


@pytest.mark.parametrize("count", [1, 2, 7, 33, 99, 100, 500])
def test_the_number_is_exact_and_indices_ascend(count: int) -> None:
    indices = stratified(LABELS, count, 4)
    assert len(indices) == len(set(indices)) == min(count, 100)
    assert indices == sorted(indices)


def test_another_seed_draws_others() -> None:
    assert stratified(LABELS, 20, 0) == stratified(LABELS, 20, 0)
    assert stratified(LABELS, 20, 0) != stratified(LABELS, 20, 1)
