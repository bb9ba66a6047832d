from __future__ import annotations

import json
from pathlib import Path

import pytest
from emosym_registry import discovery, load_registry, loading
from emosym_registry.cards import Card, CardComponent

from emosym.cli.plugins.search import matches

from .conftest import Command, install


def test_the_list_names_every_kind_of_component(emosym: Command) -> None:
    listed = emosym("plugins", "list")
    assert listed.status == 0
    for word in (
        "backbone",
        "qwen-vl",
        "diffusion",
        "sdxl",
        "memory",
        "emosym-tiny 0.1.0",
        "emosym data make",
    ):
        assert word in listed.out


def test_the_json_list_can_be_read_by_a_program(emosym: Command) -> None:
    listed = json.loads(emosym("plugins", "list", "--json").out)
    tiny = next(plugin for plugin in listed["plugins"] if plugin["id"] == "emosym-tiny")
    assert {"kind": "dataset", "name": "tiny-world"}.items() <= tiny["components"][0].items()
    assert "tiny" in tiny["presets"]
    assert listed["failed"] == []


def test_a_plugin_can_be_left_out_anywhere_on_the_line(emosym: Command) -> None:
    for words in (
        ("--no-plugin", "emosym-vlm", "plugins", "list"),
        ("plugins", "list", "--no-plugin=emosym-vlm"),
    ):
        listed = emosym(*words)
        assert "qwen-vl" not in listed.out
        assert "blocked: emosym-vlm (--no-plugin)" in listed.out


def test_no_plugin_without_an_id_is_refused(emosym: Command) -> None:
    refused = emosym("plugins", "list", "--no-plugin")
    assert refused.status == 2
    assert "--no-plugin needs a plugin's id" in refused.err


def test_a_broken_plugin_is_one_line_on_stderr_and_stops_nothing(
    emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(install(tmp_path, "broken", "raise RuntimeError('out of order')")))
    listed = emosym("plugins", "list")
    assert listed.status == 0
    assert "qwen-vl" in listed.out
    assert len(listed.err.strip().splitlines()) == 1
    assert "broken" in listed.err
    assert "out of order" in listed.err


def test_plugins_extend_a_group_and_its_help(emosym: Command) -> None:
    assert "Write the embedded world" in emosym("data", "--help").out
    assert "Write the embedded world" not in emosym("data", "--help", "--no-plugin", "emosym-tiny").out
    assert emosym("data", "make", "world", "--no-plugin", "emosym-tiny").status == 2


def test_a_plugin_is_shown_with_what_it_offers(emosym: Command) -> None:
    shown = emosym("plugins", "show", "emosym-tiny")
    assert shown.status == 0
    for words in (
        "emosym-tiny 0.1.0: The embedded default",
        "plugin API  1.0",
        "plugins/emosym-tiny/emosym_tiny/plugin.py",
        "licence     Apache-2.0",
        "hardware    two CPU cores",
        "dataset/tiny-world",
        "model: tiny of backbone qwen-vl",
        "extends: preset:tiny",
        "emosym data make",
    ):
        assert words in shown.out


@pytest.mark.parametrize("name", ["qwen-vl", "backbone/qwen-vl", "emosym-vlm/qwen-vl"])
def test_a_component_is_shown_with_its_parameters(emosym: Command, name: str) -> None:
    shown = emosym("plugins", "show", name)
    assert shown.status == 0
    assert "backbone/qwen-vl: Qwen2-VL" in shown.out
    assert "capabilities  prefix" in shown.out
    assert "weights: model: tiny (emosym-tiny)" in shown.out
    rows = {line.split()[0]: " ".join(line.split()) for line in shown.out.splitlines() if line.strip()}
    assert rows["adapter.rank"].startswith("adapter.rank whole number at least 1 8")
    assert rows["dtype"].startswith("dtype auto, fp32, bf16 or fp16 auto auto: the run's precision")


def test_a_parameter_that_must_be_given_says_so(emosym: Command) -> None:
    about = json.loads(emosym("plugins", "show", "text_encoder/open-clip", "--json").out)
    (component,) = about["components"]
    model = next(one for one in component["parameters"] if one["name"] == "model")
    assert (model["type"], model["default"]) == ("text", "required")
    assert model["meaning"].startswith("A plugin's alias")


def test_a_name_of_two_kinds_shows_both(emosym: Command) -> None:
    about = json.loads(emosym("plugins", "show", "open-clip", "--json").out)
    assert [one["kind"] for one in about["components"]] == ["judge", "text_encoder"]


def test_what_is_not_installed_is_shown_from_its_card(
    emosym: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "discover", list)
    monkeypatch.setattr(loading, "discover", list)
    plugin, component = emosym("plugins", "show", "emosym-vlm"), emosym("plugins", "show", "qwen-vl")
    for shown in (plugin, component):
        assert shown.status == 0
        assert "not installed" in shown.out
        assert "to install  " in shown.out
        assert "pip install emosym-vlm" in shown.out
    assert "backbone/llava" in plugin.out
    searched = emosym("plugins", "search", "qwen")
    assert "backbone/qwen-vl  emosym-vlm  no" in searched.out
    assert "to install emosym-vlm: pip install emosym-vlm" in searched.out


def test_a_blocked_or_broken_plugin_is_shown_as_such(
    emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = emosym("plugins", "show", "qwen-vl", "--no-plugin", "emosym-vlm")
    assert "blocked by --no-plugin" in blocked.out
    monkeypatch.syspath_prepend(str(install(tmp_path, "broken", "raise RuntimeError('out of order')")))
    broken = emosym("plugins", "show", "broken")
    assert broken.status == 0
    assert "failed at import" in broken.out
    assert "RuntimeError: out of order" in broken.out


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("qwen-v", "qwen-vl"),
        ("emosym-vml", "emosym-vlm"),
        ("rewrad/label", "reward/label"),
        ("metrik/accuracy", "metric/accuracy"),
        ("reward/lable", "reward/label"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(emosym: Command, name: str, meant: str) -> None:
    refused = emosym("plugins", "show", name)
    assert refused.status == 2
    assert f'component {name!r}; did you mean "{meant}"?' in refused.err


def test_search_finds_components_by_all_words(emosym: Command) -> None:
    found = emosym("plugins", "search", "memory", "SQLite")
    assert found.status == 0
    assert [line.split()[:3] for line in found.out.splitlines()[1:]] == [
        ["memory/sql", "emosym-memory", "0.1.0"]
    ]
    found = json.loads(emosym("plugins", "search", "sdxl", "--json").out)
    assert [(one["id"], one["installed"]) for one in found] == [("emosym-diffusion", "0.1.0")]
    assert [one["name"] for one in found[0]["components"]] == ["sdxl"]


def test_search_prefers_components_that_hold_all_words_to_those_of_a_plugin_that_does() -> None:
    parts = (CardComponent("metric", "clip-score", "agreement"), CardComponent("metric", "accuracy", "hits"))
    card = Card("figures", "figures", "Metrics, some by CLIP", "", "", "", (), parts)
    named = {
        words: [one.name for _, components in matches([card], words.split()) for one in components]
        for words in ("metric clip", "accuracy clip", "figures")
    }
    assert named == {"metric clip": ["clip-score"], "accuracy clip": ["accuracy"], "figures": []}


def test_search_without_words_lists_every_known_plugin(emosym: Command) -> None:
    found = json.loads(emosym("plugins", "search", "--json").out)
    assert [one["id"] for one in found] == list(load_registry().catalogue)


def test_search_that_finds_nothing_says_so(emosym: Command) -> None:
    found = emosym("plugins", "search", "xyzzy")
    assert (found.status, found.out) == (0, "nothing matches 'xyzzy'\n")
    assert json.loads(emosym("plugins", "search", "xyzzy", "--json").out) == []


def test_search_knows_an_installed_plugin_without_a_card(
    emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl
@hookimpl
def emosym_plugin_info():
    return PluginInfo("mine", API_VERSION, "A reward of my own")
@hookimpl
def emosym_components():
    yield ComponentSpec("reward", "mine", "a:B", "a:C", "counts the violets")
"""
    monkeypatch.syspath_prepend(str(install(tmp_path, "mine", code)))
    assert emosym("plugins", "search", "violets").out.splitlines()[1].split() == [
        "reward/mine", "mine", "1.0", "counts", "the", "violets",
    ]  # fmt: skip


def test_a_misspelt_id_to_leave_out_is_not_passed_over(emosym: Command) -> None:
    listed = emosym("plugins", "list", "--no-plugin", "emosym-vml")
    assert (
        listed.err
        == "warning: --no-plugin: no plugin 'emosym-vml' is installed; did you mean \"emosym-vlm\"?\n"
    )


def test_doctor_is_content_with_the_first_party(process: Command) -> None:
    checked = process("plugins", "doctor")
    there = load_registry(strict=True)
    sentence = f"ok: {len(there.plugins)} plugins, {len(there.components())} components"
    assert (checked.status, checked.out.strip()) == (0, sentence)
