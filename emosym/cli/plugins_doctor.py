"""``emosym plugins doctor``: everything that is wrong with the installed plugins, and what to do."""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emosym.cli.columns import columns

if TYPE_CHECKING:
    from emosym_registry import Failure, Registry


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for everything that is wrong with the installed plugins; exits 1 where something is."""
    from emosym_registry import load_registry

    registry = load_registry(disabled=context.obj.no_plugin, strict=False, on_failure=_recorded_only)
    number = len(registry.plugins)
    print(f"importing every component of {number} plugin{'s' * (number != 1)} …", file=sys.stderr)
    from emosym.cli.plugins_examine import examine

    with redirect_stdout(sys.stderr):  # what an import prints must not get into the report
        troubles = examine(registry)
    if as_json:
        print(json.dumps(as_dict(registry, troubles), indent=2, ensure_ascii=False))
    else:
        _print_report(registry, troubles)
    if troubles:
        raise typer.Exit(1)


def as_dict(registry: Registry, troubles: list[Failure]) -> dict[str, Any]:
    """The report as JSON shows it."""
    return {
        "ok": not troubles,
        "plugins": len(registry.plugins),
        "components": len(registry.components()),
        "troubles": [
            {
                "plugin": one.plugin.id,
                "distribution": one.plugin.distribution,
                "version": one.plugin.version,
                "stage": one.stage,
                "cause": one.cause,
                "hint": one.hint,
            }
            for one in troubles
        ],
        "notes": notes(registry),
    }


def notes(registry: Registry) -> list[str]:
    """What is worth knowing and no trouble: plugins left out, and outdated uses of the plugin API."""
    found = [
        f"plugin {id} is blocked by {why} and was not looked at"
        for id, why in sorted(registry.blocked.items())
    ]
    words = [word.strip() for word in os.environ.get("EMOSYM_DISABLE_PLUGINS", "").split(",")]
    found += [
        f"EMOSYM_DISABLE_PLUGINS: no plugin {word!r} is installed"
        for word in words
        if word and word not in registry.blocked
    ]
    found += registry.unknown
    return found + [
        f"plugin {plugin.id} ({plugin.distribution} {plugin.version}): {what}"
        for plugin, what in registry.deprecated
    ]


def _recorded_only(failure: Failure) -> None:
    """The report has a row for it."""


def _print_report(registry: Registry, troubles: list[Failure]) -> None:
    plugins, components = len(registry.plugins), len(registry.components())
    if troubles:
        rows: list[tuple[str, str, str]] = []
        for one in troubles:
            rows += [(one.plugin.id, one.stage, one.cause), ("", "", f"→ {one.hint}")]
        print(columns(("plugin", "stage", "cause and what to do"), rows))
        print()
    for note in notes(registry):
        print(f"note: {note}")
    count = f"{len(troubles)} trouble{'s' * (len(troubles) != 1)} in " if troubles else "ok: "
    print(f"{count}{plugins} plugins, {components} components")
