"""Ratios of two things that are timed in turn."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import row
from benchmarks.pairs import Figure, Ratio, ratio


def busy(rounds: int) -> int:
    return sum(i * i for i in range(rounds))


def test_a_ratio_is_that_of_the_work() -> None:
    found = ratio(lambda: busy(600_000), lambda: busy(200_000), pairs=5)
    assert found.value == pytest.approx(3, rel=0.3)
    assert found.low <= found.value <= found.high
    assert found.first > 2 * found.second > 0
    assert found.pairs == 5


@pytest.mark.parametrize(
    ("at_least", "value", "met"), [(True, 9.0, True), (True, 7.9, False), (False, 7.9, True)]
)
def test_a_figure_is_met_on_the_right_side_of_its_bound(at_least: bool, value: float, met: bool) -> None:
    figure, found = Figure("f", "a over b", at_least, 8.0), Ratio(value, value, value, 7, 1.0, 1.0)
    assert figure.met(found) is met
    assert ("MISSED" in row(figure, found, None)[6]) is not met


def test_what_has_moved_is_said() -> None:
    figure = Figure("f", "a over b", at_least=True, bound=1.0)
    now = Ratio(2.0, 1.9, 2.1, 7, 1.0, 1.0)
    assert "was" not in row(figure, now, Ratio(2.15, 2.0, 2.3, 7, 1.0, 1.0))[6]
    assert row(figure, now, Ratio(3.0, 2.9, 3.1, 7, 1.0, 1.0))[6] == "was 3"
