"""The reference page of the contracts says what their source says."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import runpy
from pathlib import Path
from types import SimpleNamespace

import emosym_registry.hookspecs
import pytest

from emosym import contracts, toolkit
from emosym.contracts import Component, ComponentConfig
from emosym.contracts.page import EVERY, PAGE, VALUES, page

ROOT = Path(__file__).parents[2]


def test_the_page_is_the_one_that_the_contracts_make() -> None:
    written = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written == page(), f"python -m emosym.contracts.page > {PAGE}"


def test_the_page_of_hooks_toolkit_and_bases_is_the_one_that_the_code_makes() -> None:
    library = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "library.py")))
    text = library.page()
    assert library.FILE.read_text(encoding="utf-8") == text, "python docs/library.py"
    for name in (*emosym_registry.hookspecs.__dict__, *toolkit.__all__):
        if name.startswith("emosym_") or callable(getattr(toolkit, name, None)):
            assert f"- `{name}(" in text or f"### `{name}`" in text, name
    for package in library.PACKAGES:
        for name in importlib.import_module(package).__all__:
            assert f"### `{name}`" in text, name


def test_every_value_of_the_contracts_is_on_it() -> None:
    named = {name: getattr(contracts, name) for name in contracts.__all__ if name != "CONTRACTS"}
    values = {
        name for name, value in named.items() if inspect.isclass(value) and dataclasses.is_dataclass(value)
    }
    assert values == set(VALUES)


def test_what_every_component_is_and_what_kinds_share_is_on_it() -> None:
    assert set(EVERY) | {*contracts.CONTRACTS.values(), "AdaptedModule"} == {
        name for name in contracts.__all__ if issubclass(_class(name), Component | ComponentConfig)
    }
    for name in ("needs", "attribute_keys", "config: ConfigT", "context: Context", "migrate"):
        assert f"- `{name}" in entry("Component") + entry("ComponentConfig"), name
    for kind in ("Backbone", "DiffusionHead"):
        for name in ("adapters", "adapter_state", "load_adapter_state", "footprint", "fingerprint", "device"):
            assert entry(kind).count(f"- `{name}") == 1, (kind, name)


def _class(name: str) -> type:
    value = getattr(contracts, name)
    return value if inspect.isclass(value) and not hasattr(value, "__origin__") else object


def entry(name: str) -> str:
    return page().partition(f'<a id="{name.lower()}"></a>')[2].partition("<a id=")[0]


@pytest.mark.parametrize("name", contracts.CONTRACTS.values())
def test_every_required_member_is_there_and_explained(name: str) -> None:
    part = entry(name)
    required = sorted(getattr(contracts, name).__abstractmethods__)
    assert required
    for member in required:
        (line,) = [line for line in part.splitlines() if line.startswith((f"- `{member}(", f"- `{member}:"))]
        assert "required)" in line
        assert line.partition("required): ")[2], member
