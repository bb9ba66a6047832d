"""Every hook of the plugin API on one page. A plugin implements those it needs, marked with ``hookimpl``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pluggy

from emosym_registry.descriptors import Alias, Cards, ComponentSpec, PluginInfo, Preset

PROJECT = "emosym"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def emosym_plugin_info() -> PluginInfo:  # type: ignore[empty-body]
    """Say who you are. Required."""


@hookspec
def emosym_components() -> Iterable[ComponentSpec]:  # type: ignore[empty-body]
    """Offer components."""


@hookspec
def emosym_aliases() -> Iterable[Alias]:  # type: ignore[empty-body]
    """Offer names for weights: ``model: tiny``, or ``model: alias:plugin-id/tiny`` where several plugins have one."""


@hookspec
def emosym_presets() -> Iterable[Preset]:  # type: ignore[empty-body]
    """Offer specs to extend: ``extends: preset:tiny``, or ``preset:plugin-id/tiny``."""


@hookspec
def emosym_commands() -> Iterable[tuple[str, str, str]]:  # type: ignore[empty-body]
    """Offer commands as (name, ``"package.module:typer_app"``, help): the words after ``emosym`` ("losses", or "data
    losses" in a group that is made where nobody has it), a ``typer.Typer`` that is imported when the command is typed,
    and a line for lists of commands. ``context.obj.no_plugin`` of its ``typer.Context`` are the ids of ``--no-plugin``.
    """


@hookspec
def emosym_cards() -> Iterable[Cards]:  # type: ignore[empty-body]
    """Offer cards of plugins for the catalogue; they are read when somebody searches it."""


@hookspec
def emosym_run_started(
    run: Path, spec: Mapping[str, Any], resumed: bool, study: Mapping[str, Any] | None
) -> None:
    """A run begins in folder ``run`` with the resolved ``spec``, or goes on where it is ``resumed``. ``study`` is None, or of
    a cell of a study the names of ``study`` and ``cell``, its ``rows`` and its ``seed``."""


@hookspec
def emosym_stage_started(run: Path, stage: str, steps: int, step: int) -> None:
    """A stage of ``steps`` optimiser steps begins, or continues at ``step``."""


@hookspec
def emosym_step_finished(run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
    """An optimiser step is done; ``values`` are the logged scalars: losses, learning rate, rewards …"""


@hookspec
def emosym_stage_finished(run: Path, stage: str, summary: Mapping[str, Any]) -> None:
    """A stage is done and its weights are saved."""


@hookspec
def emosym_bank_refreshed(run: Path, step: int, refresh: Any) -> None:
    """The memory bank took in candidates; ``refresh`` is ``emosym.contracts.Refresh``."""


@hookspec
def emosym_run_finished(run: Path, summary: Mapping[str, Any]) -> None:
    """The run is done; ``summary`` is what ``summary.json`` holds."""


@hookspec
def emosym_run_failed(run: Path, reason: BaseException) -> None:
    """The run stopped with an error or was interrupted; ``reason`` is the exception."""
