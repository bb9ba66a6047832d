"""Figures: how they are measured, recorded, compared and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.__main__ import kept, row
from benchmarks.pairs import Figure, Measured, moved, ratio, repeated


def busy(rounds: int) -> int:
    return sum(i * i for i in range(rounds))


def test_a_ratio_is_that_of_the_work() -> None:
    found = ratio(lambda: busy(600_000), lambda: busy(200_000))(5)
    assert found.value == pytest.approx(3, rel=0.3)
    assert found.low <= found.value <= found.high
    assert found.seconds is not None
    assert found.seconds[0] > 2 * found.seconds[1] > 0
    assert found.times == 5


def test_a_value_is_measured_no_more_often_than_it_is_worth() -> None:
    values = iter([3.0, 1.0, 2.0, 9.0])
    assert repeated(lambda: next(values), most=3)(7) == Measured(2.0, 1.0, 3.0, 3)
    assert Measured.of([4.0]) == Measured(4.0, 4.0, 4.0, 1)


@pytest.mark.parametrize(
    ("at_least", "value", "met"), [(True, 9.0, True), (True, 7.9, False), (False, 7.9, True)]
)
def test_a_figure_is_met_on_the_right_side_of_its_bound(at_least: bool, value: float, met: bool) -> None:
    figure = Figure("f", "a over b", at_least, 8.0, note="the wind")
    record = figure.record(Measured.of([value]), "a machine")
    assert record["met"] is met
    assert record["target"] == ("≥ 8" if at_least else "≤ 8")
    assert record["note"] == ("" if met else "the wind")
    assert ("MISSED" in row(record, None)[5]) is not met


def test_what_has_moved_is_said() -> None:
    figure = Figure("f", "a over b", at_least=True, bound=1.0)
    now, near, far = (
        figure.record(Measured(*values, times=7), "m")
        for values in ((2.0, 1.9, 2.1), (2.15, 2.0, 2.3), (3.0, 2.9, 3.1))
    )
    assert (moved(now, near), moved(now, far)) == (False, True)
    assert "was" not in row(now, near)[5]
    assert row(now, far)[5] == "was 3"


def test_a_figure_measured_alone_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "performance.json"
    file.write_text(json.dumps([{"name": "a", "value": 1}, {"name": "b", "value": 2}]))
    assert kept(file, [{"name": "b", "value": 3}, {"name": "c", "value": 4}]) == [
        {"name": "a", "value": 1},
        {"name": "b", "value": 3},
        {"name": "c", "value": 4},
    ]
    assert kept(tmp_path / "none.json", [{"name": "c"}]) == [{"name": "c"}]


def test_a_table_is_put_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n")
    page.fill("figures", page.table(["a", "b|c"], [["1", "2"]]), file)
    assert file.read_text() == (
        "before\n<!-- figures -->\n| a | b\\|c |\n|---|---|\n| 1 | 2 |\n<!-- /figures -->\nafter\n"
    )
    with pytest.raises(ValueError, match=r"page\.md.*<!-- other -->"):
        page.fill("other", "x", file)
