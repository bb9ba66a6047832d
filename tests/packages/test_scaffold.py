"""``emosym plugins new`` makes packages that are right as they are: checked in a folder, installed, and by pytest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from emosym_registry import KINDS

from emosym.cli import main
from emosym.cli.plugins.new import render

from .conftest import ROOT, Environment, build


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a generated package of every kind."""
    folder = tmp_path_factory.mktemp("generated")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for kind in KINDS:
            assert main(["plugins", "new", name_of(kind), "--kind", kind]) == 0
    return folder


def name_of(kind: str) -> str:
    return f"my-{kind.replace('_', '-')}"


def test_generated_code_is_formatted_and_without_findings(packages: Path) -> None:
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--config", str(ROOT / "pyproject.toml"), "."]
        done = subprocess.run(command, capture_output=True, text=True, cwd=packages)
        assert done.returncode == 0, done.stdout


def test_generated_packages_pass_their_checks_uninstalled_and_unedited(
    packages: Path, environment: Environment
) -> None:
    folders = [f"./{name_of(kind)}" for kind in KINDS]
    done = environment.run("emosym", "plugins", "check", "--json", *folders, cwd=packages)
    results = json.loads(done.stdout)
    assert {result["component"].split()[0] for result in results} == {*KINDS, "plugin"}
    assert {result["outcome"] for result in results} <= {"passed", "not applicable"}
    assert "my_" not in done.stderr  # no warning that comes from generated code


def test_generated_packages_install_and_pass_their_own_tests(
    packages: Path, environment: Environment, tmp_path: Path
) -> None:
    environment.install([build(packages / name_of(kind), tmp_path) for kind in KINDS])
    listed = json.loads(environment.run("emosym", "plugins", "list", "--json", cwd=tmp_path).stdout)
    assert listed["failed"] == []
    assert {name_of(kind) for kind in KINDS} <= {plugin["id"] for plugin in listed["plugins"]}
    tests = [packages / name_of(kind) / "tests" for kind in KINDS]
    done = environment.run(
        "python", "-m", "pytest", "-q", "--import-mode=importlib", "-m", "not slow", *tests, cwd=packages
    )
    assert "emosym conformance:" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["my-plugin", "--kind", "rewad"], 'did you mean "reward"'),
        (["My_Plugin", "--kind", "reward"], "cannot name a package"),
        (["class", "--kind", "reward"], "cannot name a package"),
        (["foo", "--kind", "metric", "--component", "Foo"], "'Foo' cannot name a component"),
        (["torch", "--kind", "reward"], "already installed"),
        (["there", "--kind", "reward"], "there is something already"),
        (["my-plugin"], "Missing option '--kind'"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert main(["plugins", "new", *words]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert not list((tmp_path / "there").iterdir())


def test_another_name_for_the_component_is_used_throughout() -> None:
    files = render("our-pack", "reward", "bright")
    assert 'name="bright"' in files["our_pack/plugin.py"]
    assert "class Bright(" in files["our_pack/reward.py"]
    assert 'component = "our-pack/bright"' in files["our_pack/conformance.py"]
