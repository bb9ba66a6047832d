"""The ten wheels: what is in them, and that they are all a user needs beside third-party libraries."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from .conftest import PROJECTS, ROOT, Environment, build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_a_wheel_holds_all_that_its_package_holds(project: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(build(project, tmp_path)) as wheel:
        held = set(wheel.namelist())
    (package,) = (
        path.parent for path in project.glob("*/__init__.py") if path.parent.name.startswith("emosym")
    )
    kept = {
        path.relative_to(project).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert kept <= held
    assert f"{package.name}/py.typed" in held


def test_a_fresh_environment_with_the_wheels_lists_presets_and_runs(
    environment: Environment, tmp_path: Path
) -> None:
    ours = json.loads(environment.run("emosym", "plugins", "list", "--json", cwd=tmp_path).stdout)
    assert ours["failed"] == []
    assert len([one for one in ours["plugins"] if one["id"].startswith("emosym-")]) == 8
    for preset in ("paper", "official", "emosym", "tiny"):
        shown = environment.run("emosym", "spec", "show", f"preset:{preset}", cwd=tmp_path)
        assert f"name: {preset}" in shown.stdout
    environment.run("emosym", "run", "preset:tiny", "--smoke", "--out", "run", cwd=tmp_path)
    assert (tmp_path / "run" / "report.html").stat().st_size > 100_000
    assert (tmp_path / "run" / "system").is_dir()
    where = environment.run("python", "-c", "import emosym; print(emosym.__file__)", cwd=tmp_path)
    assert str(ROOT) not in where.stdout
