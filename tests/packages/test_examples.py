"""The third-party packages under docs/examples: short, built as wheels, installed in a fresh environment, at work there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import ROOT, Environment, build

EXAMPLES = sorted(path.parent for path in (ROOT / "docs" / "examples").glob("*/pyproject.toml"))


def test_there_is_a_reward_and_a_backbone() -> None:
    assert [path.name for path in EXAMPLES] == ["emosym-brightness", "emosym-vipllava"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_has_fewer_than_forty_lines_of_python(example: Path) -> None:
    lines = [line for file in example.rglob("*.py") for line in file.read_text().splitlines()]
    assert 0 < len(lines) < 40


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_installs_and_keeps_the_promises_of_its_kind(
    example: Path, environment: Environment, tmp_path: Path
) -> None:
    environment.install([build(example, tmp_path)])
    listed = json.loads(environment.run("emosym", "plugins", "list", "--json", cwd=tmp_path).stdout)
    assert example.name in {plugin["id"] for plugin in listed["plugins"]}
    done = environment.run("emosym", "plugins", "check", "--json", example.name, cwd=tmp_path)
    outcomes = {result["outcome"] for result in json.loads(done.stdout)}
    assert outcomes <= {"passed", "not applicable"}
