"""Help in plain words, silence where it is asked for, a word where something takes time."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from emosym_registry import load_registry

from emosym.cli.app import app
from emosym.cli.columns import columns
from emosym.cli.globals import Globals
from emosym.cli.plain import first_sentence
from emosym.cli.saying import SILENT, say, speaking
from emosym.experiment.progress import PlainProgress, quiet, show_progress, steps

from .conftest import Command

TYPES = re.compile(r"<[a-z]|list\[|\bPath\b|\brange>")


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every group and verb of emosym and of the installed plugins."""
    yield words, command
    context = typer.Context(command, info_name=words[-1] if words else "emosym", obj=Globals())
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from commands(command.get_command(context, name), (*words, name))


EVERY = [
    *(words for words, _ in commands(typer.main.get_command(app))),
    ("import", "official"),
    ("data", "make"),
]
GROUPS = ["", "bank", "cache", "study", "spec", "data", "plugins", "import"]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_alone_shows_its_help(group: str, emosym: Command) -> None:
    shown = emosym(*group.split())
    assert (shown.status, shown.err) == (0, "")
    assert shown.out == emosym(*group.split(), "--help").out
    assert "Commands:" in shown.out


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help_has_no_types_of_python_and_no_summary_that_is_cut(
    words: tuple[str, ...], emosym: Command
) -> None:
    shown = emosym(*words, "--help").out
    assert not TYPES.search(shown), TYPES.search(shown)
    head, _, listed = shown.partition("Commands:\n")
    assert "..." not in listed
    assert "{" not in head.splitlines()[0]
    for line in listed.splitlines():
        assert not line.startswith("  ") or line.strip()


def test_a_summary_is_the_first_sentence() -> None:
    assert first_sentence("Do this.\n\nAnd that.") == "Do this"
    assert first_sentence("Read DIR/awe-017.png\nand others. More.") == "Read DIR/awe-017.png and others"


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_refused(variable: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\033" in columns(("a",), [("b",)])
    monkeypatch.setenv(*variable)
    assert "\033" not in columns(("a",), [("b",)])


def test_quiet_leaves_results_warnings_and_errors(
    capfd: pytest.CaptureFixture[str], emosym: Command, tmp_path: Path
) -> None:
    for silent, said in ((False, "doing\nwarning: bad\n"), (True, "warning: bad\n")):
        with speaking(Globals(quiet=silent)):
            say("doing")
            logging.getLogger("emosym_somewhere").warning("bad")
            with show_progress() as shown:
                assert isinstance(shown, PlainProgress) is not silent
            assert list(steps([1, 2], 2, "read")) == [1, 2]
        assert capfd.readouterr().err == said
    spec = tmp_path / "own.yaml"
    spec.write_text("emosym: 1\nextends: preset:tiny\nname: own\ndata: {name: emoset, params: {root: x}}\n")
    assert "note: " in emosym("spec", "check", spec).err
    assert emosym("spec", "check", spec, "--quiet").err == ""
    assert emosym("spec", "check", spec, "--quiet").out.startswith("ok: own")
    assert emosym("spec", "check", "nothing.yaml", "--quiet").err.startswith("error: ")


def test_other_libraries_speak_under_debug_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SILENT:
        monkeypatch.delenv(name, raising=False)
    for debug in (False, True):
        with speaking(Globals(debug=debug)):
            logging.getLogger("somebody.else").warning("of no interest")
            assert all((name in os.environ) is not debug for name in SILENT)
        assert ("of no interest" in capsys.readouterr().err) is debug
    assert not set(SILENT) & set(os.environ)


def test_a_plugins_own_warnings_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    settings = Globals()
    with speaking(settings):
        settings.registries[None] = load_registry()
        plugin = next(iter(settings.registries[None].plugins.values()))
        logging.getLogger(f"{plugin.installed.module}.part").warning("heed me")
    assert capsys.readouterr().err == "warning: heed me\n"


def test_of_several_processes_one_says_how_far_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with speaking(Globals()):
        say("doing")
    assert capsys.readouterr().err == ""
    assert not quiet()


@pytest.mark.parametrize(
    "words",
    [
        ("spec", "check", "preset:tiny"),
        ("cache", "show"),
        ("cache", "clear", "--force"),
        ("plugins", "list"),
        ("env",),
    ],
    ids=" ".join,
)
def test_json_is_json(
    words: tuple[str, ...], emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path))
    json.loads(emosym(*words, "--json").out)


def test_problems_of_a_spec_are_json_too(emosym: Command, tmp_path: Path) -> None:
    spec = tmp_path / "bad.yaml"
    spec.write_text("emosym: 1\nextends: preset:tiny\nname: bad\ncolour: red\n")
    checked = emosym("spec", "check", spec, "--json")
    assert checked.status == 2
    found = json.loads(checked.out)
    assert not found["ok"]
    assert [(one["line"], one["path"]) for one in found["problems"]] == [(4, "colour")]


def test_a_wrong_override_names_its_key_once(emosym: Command) -> None:
    for text in ("k", "seed=x"):
        said = emosym("spec", "check", "preset:tiny", "--set", text).err
        key = text.partition("=")[0]
        assert said.startswith(f"error: --set {key}: expected")
