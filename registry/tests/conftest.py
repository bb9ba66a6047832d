"""Plugins written to a folder and found there, as entry points would find them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from emosym_registry.discovery import InstalledPlugin

HEADER = """
from emosym_registry import API_VERSION, Alias, ComponentSpec, PluginInfo, Preset, hookimpl
"""
INFO = """
@hookimpl
def emosym_plugin_info():
    return PluginInfo("{id}", API_VERSION, "for tests")
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., InstalledPlugin]]:
    """Write a plugin's light module; ``info=False`` leaves out its introduction."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("EMOSYM_DISABLE_PLUGINS", raising=False)
    monkeypatch.delenv("EMOSYM_STRICT_PLUGINS", raising=False)
    made: list[str] = []

    def write(id: str, body: str = "", *, info: bool = True, distribution: str = "") -> InstalledPlugin:
        module = f"example_{id.replace('-', '_')}_{len(made)}"
        made.append(module)
        text = HEADER + (INFO.format(id=id) if info else "") + dedent(body)
        (tmp_path / f"{module}.py").write_text(text)
        return InstalledPlugin(id, module, distribution or f"dist-{id}", "1.2")

    yield write
    for module in made:
        sys.modules.pop(module, None)


OFFER = """
@hookimpl
def emosym_components():
    yield ComponentSpec("{kind}", "{name}", "nowhere.at:All", "nowhere.at:Config", "for tests")
"""


def offer(kind: str, name: str) -> str:
    """The body of a plugin with one component."""
    return OFFER.format(kind=kind, name=name)
