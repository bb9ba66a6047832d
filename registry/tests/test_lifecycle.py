"""What a plugin raises in a lifecycle hook is said once and stops nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emosym_registry import EmosymError, Failure, Registry, hookimpl, load_registry
from emosym_registry.discovery import Found

Write = Callable[..., Found]
FAILING = """
@hookimpl
def emosym_step_finished(step):
    raise ValueError(f"no network at step {step}")
"""
COUNTING = """
steps = []

@hookimpl
def emosym_step_finished(step):
    steps.append(step)
"""


def count(registry: Registry, steps: int) -> None:
    for step in range(1, steps + 1):
        registry.hook.emosym_step_finished(run=Path(), stage="compress", step=step, values={})


def seen(registry: Registry, id: str) -> list[int]:
    module: Any = registry.manager.get_plugin(id)
    steps: list[int] = module.steps
    return steps


def test_a_hook_that_raises_is_reported_once_and_the_others_hear_every_step(plugin: Write) -> None:
    said: list[Failure] = []
    found = [plugin("before", COUNTING), plugin("failing", FAILING), plugin("behind", COUNTING)]
    registry = load_registry(found=found, on_failure=said.append, strict=False)
    count(registry, 3)
    assert seen(registry, "before") == seen(registry, "behind") == [1, 2, 3]
    assert registry.failures == said
    (failure,) = said
    assert (failure.plugin.id, failure.stage) == ("failing", "run")
    assert failure.cause == "emosym_step_finished: ValueError: no network at step 1"
    assert "--no-plugin failing" in failure.hint


def test_another_hook_of_the_same_plugin_is_reported_too(plugin: Write) -> None:
    body = FAILING + "@hookimpl\ndef emosym_run_finished():\n    raise SystemExit('bye')\n"
    said: list[Failure] = []
    registry = load_registry(found=[plugin("failing", body)], on_failure=said.append, strict=False)
    count(registry, 2)
    registry.hook.emosym_run_finished(run=Path(), summary={})
    assert [one.cause.partition(":")[0] for one in said] == ["emosym_step_finished", "emosym_run_finished"]


def test_a_warning_goes_to_stderr(plugin: Write, capsys: pytest.CaptureFixture[str]) -> None:
    count(load_registry(found=[plugin("failing", FAILING)], strict=False), 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("warning: plugin failing (dist-failing 1.2) failed at run: emosym_step_finished")


def test_in_strict_mode_it_is_an_error(plugin: Write) -> None:
    registry = load_registry(found=[plugin("failing", FAILING)], strict=True)
    with pytest.raises(EmosymError, match="no network at step 1") as caught:
        count(registry, 1)
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_the_run_itself_registered_may_stop_it(plugin: Write) -> None:
    class Essential:
        @hookimpl
        def emosym_step_finished(self, step: int) -> None:
            raise OSError("disk full")

    registry = load_registry(found=[plugin("counting", COUNTING)])
    registry.manager.register(Essential())
    with pytest.raises(OSError, match="disk full"):
        count(registry, 1)


def test_ctrl_c_in_a_hook_stops_the_run(plugin: Write) -> None:
    body = "@hookimpl\ndef emosym_step_finished():\n    raise KeyboardInterrupt\n"
    registry = load_registry(found=[plugin("stopping", body)], strict=False)
    with pytest.raises(KeyboardInterrupt):
        count(registry, 1)
    assert registry.failures == []


def test_a_failed_hook_does_not_hide_what_the_plugin_offers(plugin: Write) -> None:
    offer = "@hookimpl\ndef emosym_components():\n    yield ComponentSpec('reward', 'good', 'a:B', 'a:C')\n"
    registry = load_registry(found=[plugin("failing", FAILING + offer)], strict=False, on_failure=print)
    count(registry, 1)
    assert registry.find("reward", "good").plugin.id == "failing"
    with pytest.raises(EmosymError, match="unknown reward 'failing/other'"):
        registry.find("reward", "failing/other")


def test_a_missing_argument_is_the_callers_error(plugin: Write) -> None:
    registry = load_registry(found=[plugin("counting", COUNTING)])
    with pytest.raises(KeyError, match="step"):
        registry.hook.emosym_step_finished(run=Path(), stage="compress", values={})


def test_an_unknown_hook_cannot_be_called(plugin: Write) -> None:
    with pytest.raises(AttributeError, match="emosym_step_done"):
        load_registry(found=[]).hook.emosym_step_done()
