"""``emosym plugins doctor``: everything that is wrong with the installed plugins, and what to do."""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stdout
from functools import partial
from typing import TYPE_CHECKING, Any

import typer
from emosym_registry.errors import plural

from emosym.cli.columns import columns
from emosym.cli.common import JsonOption
from emosym.cli.saying import say

if TYPE_CHECKING:
    from emosym_registry import Failure, Registry

SLOW = 0.5
"""Seconds after which importing a light module is worth a note; those of the first-party plugins take some milliseconds."""


def doctor(
    context: typer.Context,
    as_json: JsonOption = False,
) -> None:
    """Look for everything that is wrong with the installed plugins; exits 1 where something is."""
    from emosym_registry import load_registry

    registry = load_registry(disabled=context.obj.no_plugin, strict=False, on_failure=_recorded_only)
    say(f"importing every component of {plural(len(registry.plugins), 'plugin')} …")
    from emosym.diagnosis.examine import examine

    with redirect_stdout(sys.stderr):  # what an import prints must not get into the report
        troubles = examine(registry, partial(own_verb, context.find_root().command))
    if as_json:
        print(json.dumps(as_dict(registry, troubles), indent=2, ensure_ascii=False))
    else:
        _print_report(registry, troubles)
    if troubles:
        raise typer.Exit(1)


def own_verb(root: Any, name: str) -> str | None:
    """The verb of emosym's own that ``name`` is, or that takes its first words for itself; None where it is free."""
    command, words = root, name.split()
    for place, word in enumerate(words, 1):
        command = command.commands.get(word)
        if command is None:
            return None
        if not hasattr(command, "commands"):
            return " ".join(words[:place])
    return name


def as_dict(registry: Registry, troubles: list[Failure]) -> dict[str, Any]:
    """The report as JSON shows it."""
    return {
        "ok": not troubles,
        "plugins": len(registry.plugins),
        "not_loaded": not_loaded(registry),
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


def not_loaded(registry: Registry) -> int:
    """How many plugins failed and are left out."""
    return sum(failure.leaves_out for failure in registry.failures)


def notes(registry: Registry) -> list[str]:
    """What is worth knowing and no trouble: plugins left out, slow ones, and outdated uses of the plugin API."""
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
    found += registry.unknown_ids
    for id, plugin in sorted(registry.plugins.items()):
        installed = plugin.installed
        if plugin.seconds > SLOW:
            cost = f"importing {installed.module} took {plugin.seconds:.1f} s, which every command pays"
            found.append(f"plugin {id}: {cost}")
        found += [f"plugin {id} ({installed.package}): {one}" for one in plugin.deprecated]
    return found


def _recorded_only(failure: Failure) -> None:
    """The report has a row for it."""


def _print_report(registry: Registry, troubles: list[Failure]) -> None:
    loaded, failed = len(registry.plugins), not_loaded(registry)
    if troubles:
        rows: list[tuple[str, str, str]] = []
        for one in troubles:
            rows += [(one.plugin.id, one.stage, one.cause), ("", "", f"→ {one.hint}")]
        print(columns(("plugin", "stage", "cause and what to do"), rows))
        print()
    for note in notes(registry):
        print(f"note: {note}")
    count = f"{plural(len(troubles), 'trouble')} in " if troubles else "ok: "
    left_out = f" ({failed} not loaded)" if failed else ""
    print(f"{count}{plural(loaded + failed, 'plugin')}{left_out}, {len(registry.components())} components")
