"""Calling lifecycle hooks: what an installed plugin raises in one is said once and stops no run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pluggy

from emosym_registry.discovery import InstalledPlugin
from emosym_registry.errors import first_line
from emosym_registry.plugins import Failure, LoadedPlugin


class Lifecycle:
    """A method for each lifecycle hook, which calls every implementation, the last registered first.

    Implementations of installed plugins are called on their own: one that raises is reported once for each
    hook, recorded as a failure of stage ``run``, and the others are called all the same. In strict mode it is
    an error. What the run itself registered (its own trackers) may raise: a run that cannot write its record
    has to stop.
    """

    def __init__(
        self,
        manager: pluggy.PluginManager,
        plugins: Mapping[str, LoadedPlugin],
        fail: Callable[[Failure], None],
        *,
        strict: bool,
    ) -> None:
        self._manager = manager
        self._plugins = plugins
        self._fail, self._strict = fail, strict
        self._reported: set[tuple[str, str]] = set()

    def run_started(
        self, run: Path, spec: Mapping[str, Any], resumed: bool, study: Mapping[str, Any] | None = None
    ) -> None:
        self._call("emosym_run_started", run=run, spec=spec, resumed=resumed, study=study)

    def stage_started(self, run: Path, stage: str, steps: int, step: int) -> None:
        self._call("emosym_stage_started", run=run, stage=stage, steps=steps, step=step)

    def step_finished(self, run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._call("emosym_step_finished", run=run, stage=stage, step=step, values=values)

    def bank_refreshed(self, run: Path, step: int, refresh: Any) -> None:
        self._call("emosym_bank_refreshed", run=run, step=step, refresh=refresh)

    def stage_finished(self, run: Path, stage: str, summary: Mapping[str, Any]) -> None:
        self._call("emosym_stage_finished", run=run, stage=stage, summary=summary)

    def run_finished(self, run: Path, summary: Mapping[str, Any]) -> None:
        self._call("emosym_run_finished", run=run, summary=summary)

    def run_failed(self, run: Path, reason: BaseException) -> None:
        """The run stopped with an error or was interrupted: ``reason`` is the exception.

        What a listener raises now becomes a note of ``reason``, whose place it must not take.
        """
        try:
            self._call("emosym_run_failed", run=run, reason=reason)
        except Exception as error:
            reason.add_note(f"emosym_run_failed: {type(error).__name__}: {first_line(error)}")

    def _call(self, hook: str, **values: object) -> None:
        for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            try:
                implementation.function(*[values[name] for name in implementation.argnames])
            except (Exception, SystemExit) as error:  # a plugin may raise anything; the run must go on
                plugin = self._plugins.get(implementation.plugin_name)
                if plugin is None:
                    raise
                self._report(hook, plugin.installed, error)

    def _report(self, hook: str, plugin: InstalledPlugin, error: BaseException) -> None:
        if (hook, plugin.id) not in self._reported:
            cause = f"{hook}: {type(error).__name__}: {first_line(error)}"
            goes_on = "EMOSYM_STRICT_PLUGINS stops the run" if self._strict else "the run goes on"
            hint = f"{goes_on}; without the plugin: --no-plugin {plugin.id}"
            self._fail(Failure(plugin, "run", cause, hint, error))
            self._reported.add((hook, plugin.id))
