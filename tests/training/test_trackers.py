from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emosym_registry import load_registry

from emosym.training.trackers import JsonLines, TensorBoardTracker, read_metrics


def tracked(run: Path, stage: str, first: int, last: int, **values: float) -> None:
    registry = load_registry(found=())
    registry.manager.register(JsonLines())
    registry.hook.emosym_stage_started(run=run, stage=stage, steps=last, step=first)
    for step in range(first + 1, last + 1):
        registry.hook.emosym_step_finished(
            run=run, stage=stage, step=step, values={"loss": 1.0 / step, **values}
        )
    registry.hook.emosym_stage_finished(run=run, stage=stage, summary={})


def steps(run: Path) -> list[tuple[str, int]]:
    return [(line["stage"], line["step"]) for line in read_metrics(run / "metrics.jsonl")]


def test_each_step_is_one_line(tmp_path: Path) -> None:
    tracked(tmp_path, "compress", 0, 3)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert {"stage", "step", "time", "loss"} == set(lines[0])
    assert lines[1]["loss"] == 0.5


def test_stages_follow_each_other_in_one_file(tmp_path: Path) -> None:
    tracked(tmp_path, "compress", 0, 2)
    tracked(tmp_path, "reinforce", 0, 1)
    assert steps(tmp_path) == [("compress", 1), ("compress", 2), ("reinforce", 1)]


def test_a_resumed_stage_drops_what_it_will_do_again_and_nothing_else(tmp_path: Path) -> None:
    tracked(tmp_path, "compress", 0, 2)
    tracked(tmp_path, "reinforce", 0, 5)
    tracked(tmp_path, "reinforce", 3, 4)
    assert steps(tmp_path) == [("compress", 1), ("compress", 2), *(("reinforce", s) for s in (1, 2, 3, 4))]


def test_a_line_is_on_disk_as_soon_as_its_step_is_done(tmp_path: Path) -> None:
    tracker = JsonLines()
    tracker.emosym_stage_started(tmp_path, "compress", 10, 0)
    tracker.emosym_step_finished(tmp_path, "compress", 1, {"loss": 0.25})
    assert steps(tmp_path) == [("compress", 1)]


def test_a_value_that_is_not_finite_is_null_so_that_every_line_is_json(tmp_path: Path) -> None:
    tracked(tmp_path, "compress", 0, 1, ratio=float("nan"))

    def refuse(word: str) -> Any:
        raise AssertionError(word)

    line = json.loads((tmp_path / "metrics.jsonl").read_text(), parse_constant=refuse)
    assert line["ratio"] is None


def test_a_line_cut_off_by_a_crash_is_left_out(tmp_path: Path) -> None:
    tracked(tmp_path, "compress", 0, 2)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "compress", "st')
    assert steps(tmp_path) == [("compress", 1), ("compress", 2)]
    tracked(tmp_path, "compress", 1, 2)
    assert steps(tmp_path) == [("compress", 1), ("compress", 2)]


def test_tensorboard_gets_the_same_scalars(tmp_path: Path) -> None:
    import pytest

    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tracker = TensorBoardTracker()
    tracker.emosym_stage_started(tmp_path, "compress", 2, 0)
    for step in (1, 2):
        tracker.emosym_step_finished(tmp_path, "compress", step, {"loss": 0.5 / step})
    tracker.emosym_stage_finished(tmp_path, "compress", {})
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard" / "compress"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 0.5), (2, 0.25)]
