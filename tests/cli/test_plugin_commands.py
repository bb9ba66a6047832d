"""Commands, aliases and presets of a plugin: what people type, and what `emosym plugins check` says of them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from .conftest import Command, install
from .test_plugins_broken import HEADER

COMMANDS = """
import typer

app = typer.Typer()

@app.command()
def last(run: str, times: int = 1):
    "Print the last loss of a run."
    print(f"{run} " * times)
"""
PLUGIN = (
    HEADER.format(id="poll")
    + """
@hookimpl
def emosym_commands():
    yield "losses", "poll_commands:app", "The last loss."
    yield "poll start", "poll_commands:app", "Start a poll."
    yield "poll deep end", "poll_commands:app", "End a poll."
    yield "data poll", "poll_commands:app", "Make a poll's data."
    yield "spec poll", "poll_commands:app", "A poll's spec."

@hookimpl
def emosym_aliases():
    yield Alias("backbone", "qwen-vl", "pocket", "poll_weights", "pocket")

@hookimpl
def emosym_presets():
    yield Preset("poll", "poll_weights", "poll.yaml")
"""
)


@pytest.fixture
def poll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed plugin that offers everything but components; the folder of its weights and preset."""
    folder = install(tmp_path / "site", "poll", PLUGIN)
    (folder / "poll_commands.py").write_text(COMMANDS)
    weights = folder / "poll_weights"
    (weights / "pocket").mkdir(parents=True)
    (weights / "__init__.py").touch()
    (weights / "poll.yaml").write_text("emosym: 1\nextends: preset:tiny\nname: poll\n")
    monkeypatch.syspath_prepend(str(folder))
    return weights


@pytest.mark.parametrize(
    "words", [("losses",), ("poll", "start"), ("poll", "deep", "end"), ("data", "poll"), ("spec", "poll")]
)
def test_a_command_runs_under_its_name_in_old_groups_and_new(
    poll: Path, emosym: Command, words: tuple[str, ...]
) -> None:
    assert emosym(*words, "runs/a", "--times", 2).out == "runs/a runs/a \n"
    helped = emosym(*words, "--help")
    assert helped.status == 0
    assert f"Usage: emosym {' '.join(words)}" in helped.out
    assert "--times" in helped.out
    assert "completion" not in helped.out


def test_a_group_that_a_plugin_brings_lists_its_commands(poll: Path, emosym: Command) -> None:
    for words in (("poll",), ("poll", "--help")):
        helped = emosym(*words)
        shown = helped.out + helped.err
        assert shown.startswith("Usage: emosym poll [OPTIONS] COMMAND")
        assert "Commands of plugin poll." in shown
        assert [line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines()] == [
            "deep",
            "start",
        ]
        assert "error" not in shown
    unknown = emosym("poll", "stop")
    assert unknown.status == 2
    assert "No such command 'stop'" in unknown.err


def test_a_command_that_a_verb_of_ours_hides_is_listed_as_it_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emosym: Command
) -> None:
    code = "\n@hookimpl\ndef emosym_commands():\n    yield 'run', 'poll_commands:app', 'Run a poll.'\n"
    folder = install(tmp_path / "site", "votes", HEADER.format(id="votes") + code)
    (folder / "poll_commands.py").write_text(COMMANDS)
    monkeypatch.syspath_prepend(str(folder))
    assert "command: emosym votes/run (votes): Run a poll." in emosym("plugins", "list").out
    assert emosym("votes/run", "runs/a").out == "runs/a \n"
    checked = emosym("plugins", "check", "votes")
    assert "command 'run' is reached as `emosym votes/run` alone: emosym has a verb 'run'" in checked.out
    assert "votes/run or" not in checked.out


def test_the_check_looks_at_what_a_plugin_offers_beside_components(poll: Path, emosym: Command) -> None:
    fine = emosym("plugins", "check", "poll")
    assert fine.status == 0
    assert "plugin poll: 3 passed" in fine.out
    assert emosym("plugins", "check", "poll", "--only", "reward.range").out.count("passed") == 0
    (poll / "pocket").rmdir()
    (poll / "poll.yaml").write_text("emosym: 1\nextends: preset:tiny\nsed: 3\n")
    broken = emosym("plugins", "check", "poll")
    assert broken.status == 1
    assert "plugin poll: 2 passed, 2 failed" in broken.out
    assert f"weights 'pocket' of backbone qwen-vl: there is no {poll / 'pocket'}" in broken.out
    assert "preset 'poll': " in broken.out
    assert "poll.yaml:3:1 sed: unknown key 'sed'" in broken.out
    rows = json.loads(emosym("plugins", "check", "dist-poll", "--json").out)
    assert {(row["component"], row["check"], row["outcome"]) for row in rows} == {
        ("plugin poll", "plugin.id", "passed"),
        ("plugin poll", "plugin.light", "passed"),
        ("plugin poll", "plugin.offers", "failed"),
    }
    assert emosym("plugins", "check", "--explain", "plugin.offers").status == 0


def test_weights_that_their_plugin_has_lost_are_a_mistake_before_anything_is_loaded(
    poll: Path, emosym: Command
) -> None:
    assert emosym("spec", "check", "preset:tiny", "--set", "backbone.params.model=pocket").status == 0
    (poll / "pocket").rmdir()
    checked = emosym("spec", "check", "preset:tiny", "--set", "backbone.params.model=alias:poll/pocket")
    assert checked.status == 2
    assert f"weights 'pocket' of plugin poll: no {poll / 'pocket'}" in checked.err


def test_a_run_goes_on_without_its_plugin_in_one_sentence(
    poll: Path, emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emosym_registry import load_registry

    from emosym.spec import load_spec

    (tmp_path / "mine.yaml").write_text(
        "emosym: 1\nextends: preset:tiny\nname: mine\nbackbone: {params: {model: pocket}}\n"
    )
    monkeypatch.chdir(tmp_path)
    load_spec("mine.yaml", registry=load_registry()).save(Path("runs/mine"))
    monkeypatch.setattr("sys.path", [one for one in sys.path if one != str(poll.parent)])
    sentence = (
        "model 'poll/pocket' was saved with dist-poll 1.0, which is not installed: pip install dist-poll==1.0"
    )
    for words in (
        ("run", "mine.yaml", "--resume"),
        ("run", "mine.yaml", "--resume", "--out", "runs/mine"),
        ("spec", "check", "runs/mine/spec.yaml"),
    ):
        refused = emosym(*words)
        assert refused.status == 2
        assert sentence in refused.err


SECOND = """
@hookimpl
def emosym_commands():
    yield "losses", "second_commands:app", "Another loss."
    yield "poll start", "second_commands:app", "Start another poll."
    yield "poll stop", "second_commands:app", "Stop a poll."
"""
RAISING = """
import typer

app = typer.Typer()

@app.command()
def main():
    raise ValueError("no poll today")
"""


@pytest.fixture
def second(poll: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another installed plugin with two commands of the same names, and one of its own in the same group."""
    folder = install(tmp_path / "second", "second", HEADER.format(id="second") + SECOND)
    (folder / "second_commands.py").write_text(RAISING)
    monkeypatch.syspath_prepend(str(folder))


@pytest.mark.usefixtures("second")
def test_of_two_commands_of_one_name_none_wins_silently(emosym: Command) -> None:
    for words, choices in (
        (("losses", "runs/a"), "emosym poll/losses or emosym second/losses"),
        (("poll", "start", "runs/a"), "emosym poll poll/start or emosym poll second/start"),
    ):
        refused = emosym(*words)
        assert refused.status == 2
        assert "is offered by several plugins" in refused.err
        assert f"write {choices}" in refused.err
    assert emosym("poll/losses", "runs/a").out == "runs/a \n"
    assert emosym("poll", "poll/start", "runs/a").out == "runs/a \n"
    assert emosym("--no-plugin", "second", "losses", "runs/a").out == "runs/a \n"
    listed = emosym("poll", "--help").out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == ["deep", "poll/start", "second/start", "stop"]


@pytest.mark.usefixtures("second")
def test_what_a_command_raises_names_its_plugin(emosym: Command) -> None:
    raised = emosym("poll", "stop")
    assert raised.status == 1
    assert "error: ValueError: no poll today\n  in command 'stop' of plugin second" in raised.err


HEARING = """
@hookimpl
def emosym_step_finished(values):
    values["accuracy"]

@hookimpl
def emosym_run_started(run, spec):
    assert (run / "spec.yaml").is_file() and spec["backbone"]["name"]
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (HEARING, "FAILED plugin.hooks: .*saw emosym_step_finished: KeyError: 'accuracy'"),
        ("import torch\n", "FAILED plugin.light: .*saw light module .* imports torch"),
    ],
)
def test_the_check_calls_hooks_and_weighs_the_light_module(
    emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, expected: str
) -> None:
    monkeypatch.syspath_prepend(str(install(tmp_path, "ear", HEADER.format(id="ear") + code)))
    checked = emosym("plugins", "check", "ear")
    assert checked.status == 1
    assert re.search(expected, checked.out, re.DOTALL), checked.out
