"""``emosym env``: what a bug report needs to say of the machine and of what is installed."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from emosym.cli.common import JsonOption, registry_for
from emosym.cli.saying import SILENT


def env(
    context: typer.Context,
    ask_torch: Annotated[
        bool,
        typer.Option("--torch", help="Also import torch and ask it which devices it sees (seconds)."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a bug report needs: versions, hardware, environment variables, caches.

    No path of yours is shown, and of variables that may hold a secret only that they are set.
    """
    from emosym.diagnosis.environment import environment

    found = environment(registry_for(context.obj), ask_torch=ask_torch, unless=SILENT)
    print(json.dumps(found, indent=2, ensure_ascii=False) if as_json else page(found))


def page(found: dict[str, Any]) -> str:
    """Sections of aligned lines, to be pasted into an issue."""
    sections = []
    for title, facts in found.items():
        width = max((len(name) for name in facts), default=0)
        lines = [f"  {name:{width}}  {_shown(value)}" for name, value in facts.items()]
        sections.append("\n".join([f"{title.replace('_', ' ')}:", *(lines or ["  none"])]))
    return "\n".join(sections)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
