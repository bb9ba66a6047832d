from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from accelerate.utils import LoggerType
from emosym_registry import EmosymError, InstalledPlugin, hookimpl, load_registry

from emosym.experiment.folder import RunFolder
from emosym.experiment.trackers import (
    JsonLines,
    Tracker,
    listening,
)
from emosym.toolkit import read_json_lines


def tracked(run: Path, stage: str, first: int, last: int, **values: float) -> None:
    registry = load_registry(installed=())
    registry.manager.register(JsonLines())
    registry.lifecycle.stage_started(run=run, stage=stage, steps=last, step=first)
    for step in range(first + 1, last + 1):
        registry.lifecycle.step_finished(
            run=run, stage=stage, step=step, values={"loss": 1.0 / step, **values}
        )
    registry.lifecycle.stage_finished(run=run, stage=stage, summary={})


def steps(run: Path) -> list[tuple[str, int]]:
    return [(line["stage"], line["step"]) for line in read_json_lines(run / "metrics.jsonl")]


def test_each_step_is_one_line(tmp_path: Path) -> None:
    tracked(tmp_path, "compress", 0, 3)
    lines = read_json_lines(tmp_path / "metrics.jsonl")
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


def scalars(run: Path, name: str) -> list[tuple[int, float]]:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return [(event.step, round(event.value, 6)) for event in events.Scalars(name)]


def tracked_by_tensorboard(run: Path, stage: str, first: int, last: int) -> None:
    tracked_by(Tracker("tensorboard"), run, stage, first, last)


def tracked_by(tracker: Tracker, run: Path, stage: str, first: int, last: int) -> None:
    tracker.emosym_run_started(run, {"seed": 7, "labels": ["joy", "fear"], "optim": {"lr": 0.1}})
    tracker.emosym_stage_started(run, stage, last, first)
    for step in range(first + 1, last + 1):
        tracker.emosym_step_finished(run, stage, step, {"loss": 0.5 / step})
    tracker.emosym_run_finished(run, {"understanding": {"accuracy": 0.75}})
    tracker.close()


def test_tensorboard_gets_the_same_scalars_and_the_final_figures(tmp_path: Path) -> None:
    tracked_by_tensorboard(tmp_path, "compress", 0, 2)
    assert scalars(tmp_path, "compress/loss") == [(1, 0.5), (2, 0.25)]
    assert scalars(tmp_path, "understanding.accuracy") == [(2, 0.75)]


def test_steps_of_a_tracker_count_on_over_stages_and_resumes(tmp_path: Path) -> None:
    tracked_by_tensorboard(tmp_path, "compress", 0, 2)
    RunFolder(tmp_path).mark_done("compress", {"steps": 2})
    tracked_by_tensorboard(tmp_path, "reinforce", 0, 2)
    tracked_by_tensorboard(tmp_path, "reinforce", 1, 2)
    assert [step for step, _ in scalars(tmp_path, "reinforce/loss")] == [3, 4]


class Elsewhere:
    """Stands in for the library of a tracker, whose other end is the network, and keeps what it is told."""

    def __init__(self) -> None:
        self.began: dict[str, Any] = {}
        self.spec: dict[str, Any] = {}
        self.scalars: list[tuple[int, dict[str, float]]] = []
        self.ended = False
        self.config = self
        limits = SimpleNamespace(MAX_PARAM_VAL_LENGTH=6000, MAX_PARAMS_TAGS_PER_BATCH=100)
        self.utils = SimpleNamespace(validation=limits)

    # As W&B and Trackio are told it.

    def init(self, **params: Any) -> Elsewhere:
        self.began = params
        return self

    def update(self, values: dict[str, Any], allow_val_change: bool) -> None:
        self.spec |= values

    def log(self, values: dict[str, float], step: int) -> None:
        self.scalars.append((step, values))

    def finish(self) -> None:
        self.ended = True

    # As MLflow is.

    def search_experiments(self, filter_string: str) -> list[Any]:
        return []

    def create_experiment(self, name: str, **_: Any) -> str:
        return name

    def start_run(self, experiment_id: str, **params: Any) -> Elsewhere:
        return self.init(project=experiment_id, **params)

    def log_params(self, values: dict[str, Any]) -> None:
        self.spec |= values

    log_metrics, end_run = log, finish


@pytest.mark.parametrize(
    ("name", "params"),
    [("wandb", {"entity": "my-team"}), ("mlflow", {"run_name": "mine"}), ("trackio", {"group": "ablation"})],
)
def test_other_trackers_get_params_spec_scalars_and_figures(
    name: str, params: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Elsewhere()
    monkeypatch.setitem(sys.modules, name, there)  # type: ignore[arg-type]
    monkeypatch.setattr("accelerate.tracking._available_trackers", [LoggerType(name)])
    tracked_by(Tracker(name, params), tmp_path, "compress", 0, 2)
    assert there.began.items() >= {"project": "emosym", **params}.items()
    assert there.spec == {"seed": 7, "labels": "['joy', 'fear']", "optim.lr": 0.1}
    assert there.scalars == [
        (1, {"compress/loss": 0.5}),
        (2, {"compress/loss": 0.25}),
        (2, {"understanding.accuracy": 0.75}),
    ]
    assert there.ended


def test_a_tracker_that_is_not_installed_is_refused_with_what_to_install() -> None:
    with pytest.raises(EmosymError, match="'nonesuch' is not installed") as error:
        Tracker("nonesuch")
    assert error.value.hint.startswith("pip install nonesuch")


def test_a_tracker_that_fails_is_said_once_and_stops_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker("tensorboard")
    tracker.emosym_stage_started(tmp_path, "compress", 2, 0)
    tracker.close = lambda: None  # type: ignore[method-assign]
    tracker._tracker.finish()
    tracker._tracker.writer = None  # as after a lost connection: every call raises
    for step in (1, 2):
        tracker.emosym_step_finished(tmp_path, "compress", step, {"loss": 1.0})
    assert capsys.readouterr().err.count("warning: tracker tensorboard") == 1


FAILING = """
from emosym_registry import API_VERSION, PluginInfo, hookimpl

@hookimpl
def emosym_plugin_info():
    return PluginInfo("failing", API_VERSION, "for tests")

@hookimpl
def emosym_step_finished(step):
    raise ConnectionError(f"no network at step {step}")
"""


class Listener:
    """Counts steps, and knows whether it was closed."""

    def __init__(self) -> None:
        self.steps, self.closed = 0, False

    @hookimpl
    def emosym_step_finished(self, step: int) -> None:
        self.steps += 1

    def close(self) -> None:
        self.closed = True


def step(hook: Any, run: Path, steps: int) -> None:
    hook.stage_started(run=run, stage="compress", steps=steps, step=0)
    for number in range(1, steps + 1):
        hook.step_finished(run=run, stage="compress", step=number, values={"loss": 1.0})


def test_a_plugin_whose_hook_raises_costs_no_line_of_the_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "failing_tracker.py").write_text(FAILING)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = load_registry(
        installed=[InstalledPlugin("failing", "failing_tracker", "failing", "1.0")], strict=False
    )
    with listening(registry, [JsonLines()]) as hook:
        step(hook, tmp_path, 3)
    assert steps(tmp_path) == [("compress", 1), ("compress", 2), ("compress", 3)]
    assert capsys.readouterr().err.count("no network") == 1


def test_listeners_hear_one_run_only_and_are_closed_when_it_stops(tmp_path: Path) -> None:
    registry, listener = load_registry(installed=()), Listener()
    trackers = [JsonLines(), listener]
    with pytest.raises(KeyboardInterrupt), listening(registry, trackers) as hook:
        step(hook, tmp_path, 2)
        raise KeyboardInterrupt
    assert (listener.steps, listener.closed) == (2, True)
    assert registry.manager.get_plugins() == set()
    step(registry.lifecycle, tmp_path, 2)
    assert listener.steps == 2


def test_only_the_first_of_several_processes_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for first, lines in ((False, []), (True, [("compress", 1), ("compress", 2)])):
        monkeypatch.setattr("emosym.experiment.trackers.is_first", lambda first=first: first)
        listener = Listener()
        with listening(load_registry(installed=()), [JsonLines(), listener]) as hook:
            step(hook, tmp_path, 2)
        assert listener.steps == len(lines)
        assert steps(tmp_path) == lines


def test_a_run_that_cannot_write_its_metrics_stops(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    with (
        listening(load_registry(installed=()), [JsonLines()]) as hook,
        pytest.raises(OSError, match="metrics"),
    ):
        step(hook, tmp_path, 1)


def test_calling_the_hooks_of_a_step_costs_microseconds(tmp_path: Path) -> None:
    registry = load_registry(installed=())
    listeners = [Listener() for _ in range(5)]
    with listening(registry, listeners) as hook:
        start = time.perf_counter()
        for number in range(10_000):
            hook.step_finished(run=tmp_path, stage="compress", step=number, values={})
        each = (time.perf_counter() - start) / 10_000
    assert [listener.steps for listener in listeners] == [10_000] * 5
    assert each < 1e-3  # a few µs on an idle machine; a step takes milliseconds at the least
