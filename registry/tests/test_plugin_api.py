"""What docs/explanation/plugin-api.md promises of versions and deprecations."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import (
    API_VERSION,
    KINDS,
    Alias,
    Cards,
    ComponentSpec,
    PluginDeprecationWarning,
    PluginInfo,
    Preset,
    descriptors,
    hookspecs,
    load_registry,
    refusals,
)
from emosym_registry.discovery import InstalledPlugin

Write = Callable[..., InstalledPlugin]
PAGE = (Path(__file__).parents[2] / "docs" / "explanation" / "plugin-api.md").read_text(encoding="utf-8")
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("emosym_"))
ASKS = """
@hookimpl
def emosym_plugin_info():
    return PluginInfo("mine", "{version}", "")
"""
PRESET = "@hookimpl\ndef emosym_presets():\n    yield Preset('mine', 'email', 'mine.yaml')\n"


@pytest.mark.parametrize(
    ("ours", "wanted", "loads"),
    [
        ("1.0", "1.0", True),
        ("1.3", "1.0", True),
        ("1.3", "1.3", True),
        ("1.9", "1.10", False),
        ("1.10", "1.9", True),
        ("1.3", "1.4", False),
        ("2.0", "1.3", False),
        ("1.3", "2.0", False),
    ],
)
def test_the_same_major_and_no_newer_minor_loads(
    plugin: Write, monkeypatch: pytest.MonkeyPatch, ours: str, wanted: str, loads: bool
) -> None:
    monkeypatch.setattr(refusals, "API_VERSION", ours)
    found = [plugin("mine", ASKS.format(version=wanted), info=False)]
    registry = load_registry(installed=found, on_failure=lambda failure: None, strict=False)
    assert ("mine" in registry.plugins) is loads
    if not loads:
        (failure,) = registry.failures
        assert failure.cause == f"written for plugin API {wanted}, this is {ours}"
        older_plugin = tuple(map(int, wanted.split("."))) < tuple(map(int, ours.split(".")))
        assert ("dist-mine" in failure.hint) is older_plugin


def test_a_deprecated_hook_still_works_and_is_told(plugin: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "emosym_presets is deprecated since 1.1 and goes in 2.0: use emosym_specs"
    options = hookspecs.emosym_presets.emosym_spec
    monkeypatch.setitem(options, "warn_on_impl", PluginDeprecationWarning(sentence))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is shown while plugins load
        registry = load_registry(installed=[plugin("mine", PRESET), plugin("other")], strict=True)
    assert {id: one.deprecated for id, one in registry.plugins.items()} == {"mine": (sentence,), "other": ()}
    assert registry.preset("mine").name == "mine.yaml"


def test_a_deprecated_field_still_works_and_is_told_once(
    plugin: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def complain(self: Alias) -> None:
        warnings.warn("Alias.licence is deprecated", PluginDeprecationWarning, stacklevel=2)

    monkeypatch.setattr(Alias, "__post_init__", complain)
    body = "@hookimpl\ndef emosym_aliases():\n    for name in 'ab':\n        yield Alias('judge', 'x', name, 'email', 'y')\n"
    registry = load_registry(installed=[plugin("mine", body)], strict=True)
    assert registry.plugins["mine"].deprecated == ("Alias.licence is deprecated",)
    assert len(registry.plugins["mine"].aliases) == 2


def test_other_warnings_of_a_plugin_are_not_swallowed(plugin: Write) -> None:
    body = "import warnings\n@hookimpl\ndef emosym_presets():\n    warnings.warn('odd', UserWarning)\n    return []\n"
    with pytest.warns(UserWarning, match="odd"):
        load_registry(installed=[plugin("mine", body)], strict=True)


def test_the_page_names_the_version_every_hook_and_every_kind() -> None:
    assert f"The version of this page is **{API_VERSION}**." in PAGE
    assert sorted(set(re.findall(r"^\| `(emosym_\w+)\(", PAGE, re.MULTILINE))) == HOOKS
    assert [kind for kind in KINDS if f"`{kind}`" not in PAGE] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_the_page_gives_the_arguments_of_every_hook(hook: str) -> None:
    function = getattr(hookspecs, hook)
    arguments = ", ".join(function.__code__.co_varnames[: function.__code__.co_argcount])
    assert f"`{hook}({arguments})`" in PAGE


@pytest.mark.parametrize("descriptor", [PluginInfo, ComponentSpec, Alias, Preset, Cards])
def test_the_page_gives_the_fields_of_every_descriptor(descriptor: type) -> None:
    fields = ", ".join(field.name for field in dataclasses.fields(descriptor))
    assert f"`{descriptor.__name__}({fields})`" in PAGE


@pytest.mark.parametrize("descriptor", [ComponentSpec, Alias, Preset, Cards])
def test_fields_added_to_a_descriptor_come_last_and_have_defaults(descriptor: type) -> None:
    """The fields of 1.0 in their order; a minor version only appends."""
    first = {
        "ComponentSpec": ["kind", "name", "target", "config", "summary", "needs", "capabilities", "requires", "conformance"],
        "Alias": ["kind", "component", "name", "package", "path", "licence", "summary"],
        "Cards": ["package", "path"],
        "Preset": ["name", "package", "path", "summary"],
    }[descriptor.__name__]  # fmt: skip
    fields = dataclasses.fields(descriptor)
    assert [field.name for field in fields[: len(first)]] == first
    assert all(field.default is not dataclasses.MISSING for field in fields[len(first) :])


def test_the_version_of_the_api_is_a_major_and_a_minor() -> None:
    assert re.fullmatch(r"\d+\.\d+", descriptors.API_VERSION)
