from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from emosym.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


def install(
    folder: Path,
    id: str,
    code: str,
    *,
    entry: str | None = None,
    version: str = "1.0",
    requires: tuple[str, ...] = (),
    distribution: str | None = None,
) -> Path:
    """Install a plugin into a folder of the path as pip does: its metadata with an entry point, and its module."""
    name = distribution or f"dist-{id}"
    module = f"plugin_{name}_{version}".replace("-", "_").replace(".", "_")
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
    (info / "entry_points.txt").write_text(f"[emosym.plugins]\n{id} = {entry or module}\n")
    (folder / f"{module}.py").write_text(code)
    return folder


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """`emosym score` sets it; set here, it is taken back."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def emosym(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``emosym`` in this process, so that a test costs no start-up."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["emosym", *map(str, words)])
        status = main()
        out, err = capfd.readouterr()
        return Outcome(status, out, err)

    return run


@pytest.fixture(scope="session")
def process() -> Command:
    """Run ``emosym`` in a process of its own, as a shell does."""

    def run(*words: object, folder: Path | None = None) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from emosym.cli import main; sys.exit(main())", *map(str, words)],
            capture_output=True, text=True, cwd=folder, env=os.environ | {"NO_COLOR": "1"}, timeout=550, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
