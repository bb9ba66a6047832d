"""emosym as its users have it: built as wheels and installed in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = (ROOT, ROOT / "registry", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")))


@dataclass(frozen=True)
class Environment:
    """A virtual environment with our wheels; third-party libraries come from the one that runs the tests."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, *words: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of this environment."""
        command = [str(self.folder / "bin" / str(words[0])), *map(str, words[1:])]
        clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=600)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def installed(self) -> set[str]:
        """Names of the distributions in it."""
        site = next(self.folder.glob("lib/python*/site-packages"))
        return {path.name.split("-")[0].replace("_", "-") for path in site.glob("*.dist-info")}

    def install(self, wheels: Sequence[Path]) -> None:
        """Put wheels into it, and nothing of what they require."""
        uv = Path(sys.executable).parent / "uv"
        words = [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", self.python, *wheels]
        subprocess.run(list(map(str, words)), check=True, timeout=300)


def build(project: Path, out: Path) -> Path:
    """The wheel of a project."""
    before = set(out.glob("*.whl"))
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (made,) = set(out.glob("*.whl")) - before
    return made


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment with emosym, its registry and its plugins as wheels."""
    folder = tmp_path_factory.mktemp("packages")
    wheels = [build(project, folder) for project in PROJECTS]
    made = Environment(folder / "venv")
    venv.create(made.folder, symlinks=True)
    made.install(wheels)
    # A folder named in a .pth file is searched for modules but its own .pth files are not read: our editable
    # installation stays out, the third-party libraries come in.
    site = made.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    Path(site.stdout.strip(), "third-party.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made
