"""Options that may stand anywhere on the command line, so that ``emosym run spec.yaml --debug`` works as it reads.

They are read here and not by typer, whose parameters with values load pydantic: listing plugins does without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emosym_registry import EmosymError

if TYPE_CHECKING:
    from emosym_registry import Registry

HELP = """\b
Anywhere on the line:
  --debug         Show tracebacks, and what other libraries say.
  --quiet         Say nothing but results, warnings and errors.
  --no-plugin ID  Leave a plugin out, not even importing it; repeatable.
"""


@dataclass(frozen=True)
class Globals:
    """``debug`` shows tracebacks and what other libraries say; ``quiet`` leaves out how far things are; ``no_plugin`` are ids of plugins that are not even imported.

    ``registries`` are those loaded so far by their allow-list, so that a command asks no plugin twice.
    """

    debug: bool = False
    no_plugin: tuple[str, ...] = ()
    quiet: bool = False
    registries: dict[tuple[str, ...] | None, Registry] = field(default_factory=dict, compare=False)


def split(words: Sequence[str]) -> tuple[Globals, list[str]]:
    """The global options and the rest of the command; what follows ``--`` is left alone."""
    debug = quiet = False
    blocked: list[str] = []
    rest: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word == "--":
            rest += [word, *remaining]
        elif word == "--debug":
            debug = True
        elif word == "--quiet":
            quiet = True
        elif word == "--no-plugin" or word.startswith("--no-plugin="):
            blocked.append(_plugin_id(word.partition("=")[2] or next(remaining, "")))
        else:
            rest.append(word)
    return Globals(debug, tuple(blocked), quiet), rest


def _plugin_id(word: str) -> str:
    if word and not word.startswith("-"):
        return word

    raise EmosymError(
        "cli.no-plugin-id", "--no-plugin needs a plugin's id", hint="see them with: emosym plugins list"
    )
