"""``emosym cache``: what is kept on disk of what runs computed of pictures, and how to have the space back."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer
from emosym_registry.errors import plural, unknown

from emosym.cli.common import JsonOption
from emosym.cli.group import PluginGroup

if TYPE_CHECKING:
    from emosym.toolkit.spaces import Space

app = typer.Typer(
    cls=PluginGroup, help="Show or clear what runs keep of what they computed once.", no_args_is_help=True
)


@app.callback()
def _cache() -> None:
    """Show or clear what runs keep of what they computed once."""


@app.command("show")
def show(as_json: JsonOption = False) -> None:
    """List what is kept, the longest unused first: of which model, how much, and when it was last used."""
    from emosym.cli.columns import columns
    from emosym.toolkit.files import megabytes
    from emosym.toolkit.spaces import cache_folder, spaces

    found = spaces()
    if as_json:
        entries = [
            {
                "kind": one.kind,
                "about": dict(one.about),
                "bytes": one.bytes,
                "used": one.used,
                "folder": str(one.folder),
            }
            for one in found
        ]
        print(json.dumps(entries, indent=2))
        return
    rows = [
        (one.kind, megabytes(one.bytes), _ago(one.used), one.folder.name, str(one.about.get("model", "")))
        for one in found
    ]
    if rows:
        print(columns(("kind", "size", "last used", "name", "model"), rows, numbers=(1,)))
    print(f"{megabytes(sum(one.bytes for one in found))} in {cache_folder() / 'kept'}")


@app.command("clear")
def clear(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME|KIND", help="As `cache show` calls them; all where none is given."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also what a run may be using now; it computes that again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete what is kept. Nothing is lost: it is computed again where it is needed."""
    from emosym.toolkit.files import megabytes
    from emosym.toolkit.spaces import spaces

    found = spaces()
    for name in names or ():
        if not any(_is(one, name) for one in found):
            known = [*{one.kind for one in found}, *(one.folder.name for one in found)]
            raise unknown("cache.no-space", "name of what is kept", name, known, where="emosym cache show")
    chosen = [one for one in found if not names or any(_is(one, name) for name in names)]
    spared = [one for one in chosen if one.in_use and not force]
    gone = [one for one in chosen if one not in spared]
    for one in gone:
        one.remove()
    if as_json:
        bytes = {"cleared": sum(one.bytes for one in gone), "in_use": sum(one.bytes for one in spared)}
        print(json.dumps(bytes, indent=2))
        return
    print(f"cleared {megabytes(sum(one.bytes for one in gone))}")
    if spared:
        what = f"{plural(len(spared), 'folder')} used in the last ten minutes"
        print(f"left {what} ({megabytes(sum(one.bytes for one in spared))}): --force clears them too")


def _is(space: Space, name: str) -> bool:
    return name in (space.kind, space.folder.name)


def _ago(when: float) -> str:
    seconds = max(0.0, time.time() - when)
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return f"{plural(int(seconds // size), unit)} ago"
    return "now"
