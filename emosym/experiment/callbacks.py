"""Callbacks: plain objects whose methods listen to a run, without a package and without markers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, hookimpl, hookspecs
from emosym_registry.errors import did_you_mean, unknown

PREFIX = "emosym_"
ARGUMENTS = {
    name: tuple(inspect.signature(one).parameters)
    for name, one in vars(hookspecs).items()
    if name.startswith(PREFIX) and "run" in inspect.signature(one).parameters
}
"""The arguments of each hook around a run."""


def as_listener(callback: object) -> Listener:
    """What :func:`emosym.experiment.trackers.listening` registers for an object with methods named like hooks.

    Errors: ``train.unknown-hook`` for a method that is nearly one, ``train.no-hook`` for an object without any,
    ``train.bad-hook`` for an argument that the hook does not have.
    """
    if isinstance(callback, type):
        what = f"callback {callback.__name__} is a class"
        raise EmosymError("train.no-hook", what, hint=f"give an object of it: {callback.__name__}()")
    name = type(callback).__name__
    hooks = [one for one in dir(callback) if one.startswith(PREFIX) or f"{PREFIX}{one}" in ARGUMENTS]
    for hook in hooks:
        if hook not in ARGUMENTS:
            raise unknown("train.unknown-hook", "hook", hook, ARGUMENTS, where=f"callback {name}")
    if not hooks:
        raise EmosymError(
            "train.no-hook",
            f"callback {name} has none of the methods that a run calls",
            hint=f"it may have {', '.join(ARGUMENTS)}",
        )
    return Listener({hook: _heard(name, hook, getattr(callback, hook)) for hook in hooks})


def _heard(callback: str, hook: str, method: Callable[..., Any]) -> Callable[[Mapping[str, Any]], object]:
    """What calls a method with those of a hook's facts that it asks for."""
    known = ARGUMENTS[hook]
    parameters = inspect.signature(method).parameters.values()
    asked = [one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    for argument in asked:
        if argument not in known:
            meant = did_you_mean(argument, known)
            raise EmosymError(
                "train.bad-hook",
                f"callback {callback}: {hook} has no argument {argument!r}{meant and f'; {meant}'}",
                hint=f"its arguments, of which you may leave out any: {', '.join(known)}",
            )
    if any(one.kind == one.VAR_KEYWORD for one in parameters):
        asked = list(known)
    return lambda facts: method(**{one: facts[one] for one in asked})


class Listener:
    """Tells ``methods``, by hook, what a run does."""

    def __init__(self, methods: Mapping[str, Callable[[Mapping[str, Any]], object]]) -> None:
        self._methods = methods

    def _tell(self, hook: str, **facts: Any) -> None:
        if hook in self._methods:
            self._methods[hook](facts)

    @hookimpl
    def emosym_run_started(
        self, run: Path, spec: Mapping[str, Any], resumed: bool, study: Mapping[str, Any] | None
    ) -> None:
        self._tell("emosym_run_started", run=run, spec=spec, resumed=resumed, study=study)

    @hookimpl
    def emosym_stage_started(self, run: Path, stage: str, steps: int, step: int) -> None:
        self._tell("emosym_stage_started", run=run, stage=stage, steps=steps, step=step)

    @hookimpl
    def emosym_step_finished(self, run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._tell("emosym_step_finished", run=run, stage=stage, step=step, values=values)

    @hookimpl
    def emosym_stage_finished(self, run: Path, stage: str, summary: Mapping[str, Any]) -> None:
        self._tell("emosym_stage_finished", run=run, stage=stage, summary=summary)

    @hookimpl
    def emosym_bank_refreshed(self, run: Path, step: int, refresh: Any) -> None:
        self._tell("emosym_bank_refreshed", run=run, step=step, refresh=refresh)

    @hookimpl
    def emosym_run_finished(self, run: Path, summary: Mapping[str, Any]) -> None:
        self._tell("emosym_run_finished", run=run, summary=summary)

    @hookimpl
    def emosym_run_failed(self, run: Path, reason: BaseException) -> None:
        self._tell("emosym_run_failed", run=run, reason=reason)
