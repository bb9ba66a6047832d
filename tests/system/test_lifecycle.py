"""Every lifecycle hook is called by a real run, in order and with what its documentation says."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

from emosym_registry import Registry, hookspecs

from emosym.contracts import Refresh
from emosym.spec import Resolved

from .conftest import Recorder

STEPS = 6


def test_every_lifecycle_hook_is_called(run: Path, recorder: Recorder) -> None:
    offers = {
        "emosym_plugin_info",
        "emosym_components",
        "emosym_aliases",
        "emosym_presets",
        "emosym_commands",
        "emosym_cards",
        "emosym_run_failed",  # tests/system/test_run.py interrupts a run
    }
    documented = {name for name in vars(hookspecs) if name.startswith("emosym_")} - offers
    assert {hook for hook, _ in recorder.calls} == documented
    assert all(values["run"] == run for _, values in recorder.calls)


def test_a_run_tells_its_stages_in_order(run: Path, recorder: Recorder) -> None:
    told = [(hook.removeprefix("emosym_"), values.get("stage")) for hook, values in recorder.calls]
    seen = [one for one, _ in groupby(one for one in told if one[0] != "bank_refreshed")]
    stages = [
        (hook, stage)
        for stage in ("compress", "reinforce", "unify")
        for hook in ("stage_started", "step_finished", "stage_finished")
    ]
    assert seen == [("run_started", None), *stages, ("run_finished", None)]


def test_steps_count_from_one_and_carry_the_scalars_of_metrics_jsonl(run: Path, recorder: Recorder) -> None:
    started = [values for hook, values in recorder.calls if hook == "emosym_stage_started"]
    assert [(values["steps"], values["step"]) for values in started] == [(STEPS, 0)] * 3
    steps = [values for hook, values in recorder.calls if hook == "emosym_step_finished"]
    assert [values["step"] for values in steps] == list(range(1, STEPS + 1)) * 3
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for values, line in zip(steps, lines, strict=True):
        assert (values["stage"], values["step"]) == (line["stage"], line["step"])
        assert set(values["values"]) == set(line) - {"stage", "step", "time"}
        assert values["values"]["loss"] == line["loss"]


def test_a_run_begins_with_its_spec_and_ends_with_its_summary(
    run: Path, recorder: Recorder, small: Resolved
) -> None:
    (first, begun), (last, ended) = recorder.calls[0], recorder.calls[-1]
    assert (first, begun["spec"]) == ("emosym_run_started", small.data())
    assert (last, ended["summary"]) == ("emosym_run_finished", json.loads((run / "summary.json").read_text()))
    assert ended["report"], "the report is there when the run is done"


def test_a_refresh_of_the_bank_is_told(run: Path, recorder: Recorder) -> None:
    refreshes = [values for hook, values in recorder.calls if hook == "emosym_bank_refreshed"]
    assert [values["step"] for values in refreshes] == [
        3
    ]  # not after the last step, when nobody would train on it
    assert all(isinstance(values["refresh"], Refresh) for values in refreshes)


def test_a_run_leaves_no_listener_behind(run: Path, registry: Registry) -> None:
    left = {name for name, plugin in registry.manager.list_name_plugin() if plugin is not None}
    assert left == set(registry.plugins)
