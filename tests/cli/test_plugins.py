from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Command


def broken_plugin(folder: Path) -> Path:
    """A distribution whose plugin cannot be imported."""
    (folder / "broken-1.0.dist-info").mkdir(parents=True)
    (folder / "broken-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n"
    )
    (folder / "broken-1.0.dist-info" / "entry_points.txt").write_text(
        "[emosym.plugins]\nbroken = broken_plugin\n"
    )
    (folder / "broken_plugin.py").write_text("raise RuntimeError('out of order')\n")
    return folder


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
    monkeypatch.syspath_prepend(str(broken_plugin(tmp_path)))
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
