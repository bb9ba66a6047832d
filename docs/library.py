"""Writes docs/reference/library.md from docstrings: ``python docs/library.py``.

The page holds what a plugin may build on beside the contracts: hooks, descriptors, the toolkit, and what the first-party
plugins export.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import emosym_registry
from emosym_registry import errors, hookspecs

from emosym import toolkit
from emosym.contracts.page import described, function

FILE = Path(__file__).parent / "reference" / "library.md"
HEAD = """\
# Hooks, descriptors, toolkit and bases

What a plugin may use beside the [contracts](contracts.md), with what it is given and what it may override. [The plugin
API](../explanation/plugin-api.md) says how long each stays. This page is made from the docstrings by
`python docs/library.py`.
"""
DESCRIPTORS = ("PluginInfo", "ComponentSpec", "Alias", "Preset", "Cards")
PACKAGES = ("emosym_vlm", "emosym_diffusion", "emosym_memory", "emosym_data", "emosym_metrics")
"""Packages of first-party plugins whose exports others may subclass."""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([HEAD, *_hooks(), *_descriptors(), *_errors(), *_toolkit(), *_bases()])


def _hooks() -> Iterator[str]:
    yield "## Hooks"
    yield ""
    yield "A light module implements the ones it needs, marked with `emosym_registry.hookimpl`, with any subset of the arguments."
    yield ""
    yield from (function(one) for name, one in vars(hookspecs).items() if name.startswith("emosym_"))
    yield ""


def _descriptors() -> Iterator[str]:
    yield "## Descriptors"
    yield ""
    yield "Imported from `emosym_registry`, which imports no torch."
    yield ""
    for name in DESCRIPTORS:
        yield from described(getattr(emosym_registry, name), f"`{name}`")


def _errors() -> Iterator[str]:
    yield "## Errors"
    yield ""
    yield "Imported from `emosym_registry.errors`."
    yield ""
    yield from described(errors.EmosymError, "`EmosymError`")
    yield from (function(one) for one in (errors.unknown, errors.some, errors.plural, errors.first_line))
    yield ""


def _toolkit() -> Iterator[str]:
    yield "## Toolkit"
    yield ""
    yield "Imported from `emosym.toolkit`."
    yield ""
    exports = {name: getattr(toolkit, name) for name in sorted(toolkit.__all__, key=str.lower)}
    yield from (function(inspect.unwrap(one)) for one in exports.values() if inspect.isfunction(one))
    yield ""
    for name, one in exports.items():
        if inspect.isclass(one):
            yield from described(one, f"`{name}`")


def _bases() -> Iterator[str]:
    for package in PACKAGES:
        module = importlib.import_module(package)
        yield f"## Bases of `{package}`"
        yield ""
        for name in module.__all__:
            yield from described(getattr(module, name), f"`{name}`", _hidden(getattr(module, name), module))


def _hidden(one: type, module: ModuleType) -> Iterator[type]:
    """Bases that its package does not export, up to one that it does: their members are on the page with the class's own."""
    for base in one.__mro__[1:]:
        if base.__name__ in module.__all__ or not base.__module__.startswith(f"{module.__name__}."):
            return
        yield base


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
    print(FILE)
