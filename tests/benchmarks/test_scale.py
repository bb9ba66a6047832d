"""The benchmark of what grows with the number of pictures."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from benchmarks import costs, scale
from benchmarks.phases import Phases
from emosym.contracts import open_image


def test_a_phase_within_another_counts_for_itself_alone() -> None:
    phases = Phases()
    with phases.timed("outer"):
        time.sleep(0.05)
        for _ in range(2):
            with phases.timed("inner"):
                time.sleep(0.05)
    assert phases.seconds["inner"] == pytest.approx(0.1, abs=0.04)
    assert phases.seconds["outer"] == pytest.approx(0.05, abs=0.04)


def test_power_is_that_of_growth_and_noise_has_none() -> None:
    assert scale.power(2.0, 20.0, 10.0) == pytest.approx(1.0)
    assert scale.power(2.0, 200.0, 10.0) == pytest.approx(2.0)
    assert scale.power(0.1, 0.9, 10.0) == 0.0


def test_what_grows_without_a_reason_is_said() -> None:
    found = {
        n: {
            "seconds": {"steps of unify": 1.0 * n, "list the data": 2.0 * n, "the rest": 3.0},
            "peak_mebibytes": 9.0,
        }
        for n in (1, 10)
    }
    header, rows = scale.compared(found)
    assert header == ["seconds", "N = 1", "N = 10", "power", "why"]
    whys = {row[0]: row[-1] for row in rows}
    assert whys["steps of unify"] == "UNEXPLAINED"
    assert whys["list the data"] == scale.EXPLAINED["list the data"]
    assert whys["the rest"] == ""


def test_pictures_are_all_different_and_readable(tmp_path: Path) -> None:
    scale.write_pictures(tmp_path, 40)
    rows = [json.loads(line) for line in (tmp_path / "index.jsonl").read_text().splitlines()]
    assert len(rows) == 40 + 2 * scale.HELD_OUT
    assert {row["label"] for row in rows} == set(scale.EMOTIONS)
    assert len({open_image(tmp_path / row["image"]).tobytes() for row in rows}) == len(rows)


@pytest.mark.slow
def test_no_stage_grows_with_the_number_of_pictures() -> None:
    # Of fewer pictures the stages draw the same ones again, and what was read is not read twice.
    found = {count: scale.measure(count) for count in (5_000, 40_000)}
    _, rows = scale.compared(found)
    assert not [row for row in rows if row[-1] == "UNEXPLAINED"]
    small, large = (one["peak_mebibytes"] for one in found.values())
    assert large < 1.2 * small + 50


def test_the_dearest_phases_and_operators_come_first() -> None:
    phases = Phases()
    phases.seconds = {"steps": 90.0, "list the data": 9.5, "the rest": 0.5}
    assert costs.spent(phases) == [("steps", "90.0", "90%"), ("list the data", "9.5", "10%")]
    counted = costs.Counter({"mm": 60, "add": 30, "copy_": 10, "steps": 700})
    assert costs.shares({"unify": counted}) == [("unify", "mm 60%", "add 30%", "copy_ 10%")]
