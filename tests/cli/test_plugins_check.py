"""``emosym plugins check``: what is said of a component that cannot be built, and of the checks themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emosym.cli import main

from .conftest import Command


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A generated metric that is not installed."""
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "my-figure", "--kind", "metric"]) == 0
    return tmp_path / "my-figure"


@pytest.mark.parametrize(
    ("file", "old", "new", "seen"),
    [
        ("metric.py", "def compute(", "def computed(", "saw no compute"),
        ("plugin.py", "metric:MyFigure", "metric:Elsewhere", "my_figure.metric:Elsewhere cannot be imported"),
    ],
)
def test_a_component_that_cannot_be_built_fails_one_check(
    process: Command, package: Path, file: str, old: str, new: str, seen: str
) -> None:
    path = package / "my_figure" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    done = process("plugins", "check", str(package))
    assert done.status == 1
    assert done.out.count("FAILED") == 1
    assert "FAILED component.contract" in done.out
    assert seen in done.out
    assert "emosym plugins check --explain component.contract" in done.out


@pytest.mark.parametrize("entry", ["my_figure.nowhere", "my_figure.plugin:nothing"])
def test_a_wrong_entry_point_is_said_once_with_the_file_to_mend(
    process: Command, package: Path, entry: str
) -> None:
    file = package / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    assert '"my_figure.plugin"' in text
    file.write_text(text.replace('"my_figure.plugin"', f'"{entry}"'), encoding="utf-8")
    done = process("plugins", "check", str(package))
    assert done.status == 2
    assert f"mend the entry point in {package}/pyproject.toml" in done.err
    assert done.err.count("failed at") == 1


def test_an_id_that_is_no_name_fails(process: Command, package: Path) -> None:
    for file, old, new in (
        ("pyproject.toml", "my-figure = ", "My_Figure = "),
        ("my_figure/plugin.py", 'PluginInfo("my-figure"', 'PluginInfo("My_Figure"'),
        ("my_figure/conformance.py", '"my-figure/', '"My_Figure/'),
    ):
        text = (package / file).read_text(encoding="utf-8")
        assert old in text
        (package / file).write_text(text.replace(old, new), encoding="utf-8")
    done = process("plugins", "check", str(package), "--only", "plugin.id")
    assert done.status == 1
    assert "saw its id 'My_Figure' is not lower case letters, digits, dots and dashes" in done.out


def test_what_the_code_raises_has_its_place_and_is_said_once(process: Command, package: Path) -> None:
    path = package / "my_figure" / "metric.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    body = next(number for number, line in enumerate(lines) if "def compute(" in line) + 1
    lines.insert(body, '        return dict(None)["out of order"]')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = process("plugins", "check", str(package))
    assert done.status == 1
    place = f"saw TypeError: 'NoneType' object is not iterable (at {path}:{body + 1})"
    assert done.out.count(place) == 1, done.out
    assert "the same in " in done.out
    assert "Traceback" not in done.err
    failed = json.loads(process("plugins", "check", str(package), "--json").out)
    assert sum(place.removeprefix("saw ") == one["detail"] for one in failed) > 1
    debugged = process("plugins", "check", str(package), "--debug")
    assert f'File "{path}", line {body + 1}, in compute' in debugged.err


def test_the_checks_can_be_listed_without_the_documentation(emosym: Command) -> None:
    ids = {one["check"] for one in json.loads(emosym("plugins", "check", "--list", "--json").out)}
    assert {"component.contract", "metric.needs", "reward.range"} <= ids
    own = emosym("plugins", "check", "--list", "reward/label")
    assert own.status == 0
    assert "reward.range" in own.out
    assert "metric.needs" not in own.out
    unknown = emosym("plugins", "check", "--explain", "no.such")
    assert unknown.status == 2
    assert "emosym plugins check --list" in unknown.err
