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
from PIL import Image

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


STUDY = "study: 1\nname: mine\nbase: preset:tiny\nseeds: 2\nrows: {whole: {}}\n"
SAYS_JSON = (
    "spec check preset:tiny",
    "spec show preset:tiny",
    "spec explain preset:tiny",
    "data check --folder pictures --labels awe,fear",
    "study check study.yaml",
    "study show study.yaml",
    "ablate study.yaml --dry-run",
    "score --predictions predictions.csv",
    "cache show",
    "cache clear --force",
    "plugins list",
    "plugins show open-clip",
    "plugins search sdxl",
    "plugins check --list",
    "env",
)
"""What says JSON without a system or a run."""
SAYS_JSON_ELSEWHERE = {
    "run": "cli/test_run.py",
    "train": "cli/test_run.py",
    "evaluate": "cli/test_run.py",
    "understand": "cli/test_understand.py",
    "generate": "system/test_generate_command.py",
    "compare": "ablation/test_compare.py",
    "bank show": "cli/test_bank.py",
    "bank ledger": "cli/test_bank.py",
    "bank replay": "cli/test_bank.py",
    "plugins doctor": "cli/test_plugins_broken.py",
}
"""Other verbs with --json, and the tests that read what they print."""
SAYS_NO_JSON = {
    *(
        "web",
        "bank rollback",
        "bank mask",
        "bank restore",
        "bank export",
        "data knowledge",
    ),  # they do something
    *("report", "spec new", "study new", "plugins new", "plugins add"),  # they write a file
    *("spec schema", "study schema"),  # they print nothing but JSON
}


def test_every_verb_that_finds_something_says_it_as_json() -> None:
    verbs = {
        " ".join(words): any("--json" in one.opts for one in command.params)
        for words, command in commands(typer.main.get_command(app))
        if not hasattr(command, "list_commands")
    }
    assert {verb for verb, says in verbs.items() if not says} == SAYS_NO_JSON
    shown = {verb for verb in verbs for line in SAYS_JSON if f"{line} ".startswith(f"{verb} ")}
    assert {verb for verb, says in verbs.items() if says} == shown | set(SAYS_JSON_ELSEWHERE)
    for verb, file in SAYS_JSON_ELSEWHERE.items():
        text = (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
        assert re.search(rf'"{verb.split()[-1]}".*"--json"', text, re.DOTALL), (verb, file)


@pytest.mark.parametrize("line", SAYS_JSON)
def test_json_is_json(line: str, emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "predictions.csv").write_text("id,label,prediction\n1,awe,awe\n2,fear,awe\n3,fear,fear\n")
    for emotion in ("awe", "fear"):
        (tmp_path / "pictures" / emotion).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "pictures" / emotion / f"{number}.png")
    done = emosym(*line.split(), "--json")
    json.loads(done.out)
    assert done.status == 0


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
