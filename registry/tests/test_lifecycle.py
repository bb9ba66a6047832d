"""What a plugin raises in a lifecycle hook is said once and stops nobody."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emosym_registry import EmosymError, Failure, Lifecycle, Registry, hookimpl, hookspecs, load_registry
from emosym_registry.discovery import InstalledPlugin

Write = Callable[..., InstalledPlugin]
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
        registry.lifecycle.step_finished(Path(), "compress", step, {})


def seen(registry: Registry, id: str) -> list[int]:
    module: Any = registry.manager.get_plugin(id)
    steps: list[int] = module.steps
    return steps


def test_a_hook_that_raises_is_reported_once_and_the_others_hear_every_step(plugin: Write) -> None:
    said: list[Failure] = []
    found = [plugin("before", COUNTING), plugin("failing", FAILING), plugin("behind", COUNTING)]
    registry = load_registry(installed=found, on_failure=said.append, strict=False)
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
    registry = load_registry(installed=[plugin("failing", body)], on_failure=said.append, strict=False)
    count(registry, 2)
    registry.lifecycle.run_finished(Path(), {})
    assert [one.cause.partition(":")[0] for one in said] == ["emosym_step_finished", "emosym_run_finished"]


def test_a_warning_goes_to_stderr(plugin: Write, capsys: pytest.CaptureFixture[str]) -> None:
    count(load_registry(installed=[plugin("failing", FAILING)], strict=False), 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("warning: plugin failing (dist-failing 1.2) failed at run: emosym_step_finished")


def test_in_strict_mode_it_is_an_error(plugin: Write) -> None:
    registry = load_registry(installed=[plugin("failing", FAILING)], strict=True)
    with pytest.raises(EmosymError, match="no network at step 1") as caught:
        count(registry, 1)
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_the_run_itself_registered_may_stop_it(plugin: Write) -> None:
    class Essential:
        @hookimpl
        def emosym_step_finished(self, step: int) -> None:
            raise OSError("disk full")

    registry = load_registry(installed=[plugin("counting", COUNTING)])
    registry.manager.register(Essential())
    with pytest.raises(OSError, match="disk full"):
        count(registry, 1)


def test_ctrl_c_in_a_hook_stops_the_run(plugin: Write) -> None:
    body = "@hookimpl\ndef emosym_step_finished():\n    raise KeyboardInterrupt\n"
    registry = load_registry(installed=[plugin("stopping", body)], strict=False)
    with pytest.raises(KeyboardInterrupt):
        count(registry, 1)
    assert registry.failures == []


def test_a_failed_hook_does_not_hide_what_the_plugin_offers(plugin: Write) -> None:
    offer = "@hookimpl\ndef emosym_components():\n    yield ComponentSpec('reward', 'good', 'a:B', 'a:C')\n"
    registry = load_registry(installed=[plugin("failing", FAILING + offer)], strict=False, on_failure=print)
    count(registry, 1)
    assert registry.find("reward", "good").plugin.id == "failing"
    with pytest.raises(EmosymError, match="unknown reward 'failing/other'"):
        registry.find("reward", "failing/other")


def test_strict_mode_is_as_strict_the_second_time(plugin: Write) -> None:
    registry = load_registry(installed=[plugin("failing", FAILING)], strict=True)
    for _ in range(2):
        with pytest.raises(EmosymError, match="no network"):
            count(registry, 1)


HEARING = """
@hookimpl
def emosym_{name}({arguments}):
    heard.append(("{name}", {arguments}))
"""


def test_there_is_a_typed_method_for_each_lifecycle_hook_which_passes_every_argument(plugin: Write) -> None:
    hooks = {
        name.removeprefix("emosym_"): list(inspect.signature(hook).parameters)
        for name, hook in vars(hookspecs).items()
        if name.startswith("emosym_") and inspect.signature(hook).parameters
    }
    methods = {
        name for name, value in vars(Lifecycle).items() if inspect.isfunction(value) and name[0] != "_"
    }
    assert methods == set(hooks)
    body = "heard = []\n" + "".join(
        HEARING.format(name=name, arguments=", ".join(arguments)) for name, arguments in hooks.items()
    )
    registry = load_registry(installed=[plugin("listening", body)], strict=True)
    for name, arguments in hooks.items():
        method = getattr(registry.lifecycle, name)
        assert list(inspect.signature(method).parameters) == arguments
        method(*[f"the {argument}" for argument in arguments])
    module: Any = registry.manager.get_plugin("listening")
    assert module.heard == [
        (name, *[f"the {argument}" for argument in arguments]) for name, arguments in hooks.items()
    ]


def test_an_implementation_from_before_an_argument_was_added_goes_on(plugin: Write) -> None:
    body = "heard = []\n@hookimpl\ndef emosym_run_started(run, spec):\n    heard.append(spec)\n"
    registry = load_registry(installed=[plugin("older", body)], strict=True)
    registry.lifecycle.run_started(Path(), {"name": "tiny"}, resumed=True)
    module: Any = registry.manager.get_plugin("older")
    assert module.heard == [{"name": "tiny"}]


def test_what_is_raised_on_a_failed_run_does_not_hide_why_it_failed(plugin: Write) -> None:
    class Recording:
        @hookimpl
        def emosym_run_failed(self, reason: BaseException) -> None:
            raise OSError("disk full")

    body = (
        "@hookimpl\ndef emosym_run_failed(run, reason):\n    raise ValueError(f'no network for {reason}')\n"
    )
    said: list[Failure] = []
    registry = load_registry(installed=[plugin("failing", body)], on_failure=said.append, strict=False)
    reason = KeyboardInterrupt("stop")
    registry.lifecycle.run_failed(Path(), reason)
    assert [one.cause for one in said] == ["emosym_run_failed: ValueError: no network for stop"]
    assert not hasattr(reason, "__notes__")
    registry.manager.register(Recording())
    registry.lifecycle.run_failed(Path(), reason)
    assert reason.__notes__ == ["emosym_run_failed: OSError: disk full"]


def test_in_strict_mode_nobody_says_that_the_run_goes_on(plugin: Write) -> None:
    registry = load_registry(installed=[plugin("failing", FAILING)], strict=True)
    with pytest.raises(EmosymError, match="no network at step 1") as caught:
        count(registry, 1)
    assert "goes on" not in caught.value.hint
    assert "EMOSYM_STRICT_PLUGINS stops the run" in caught.value.hint
