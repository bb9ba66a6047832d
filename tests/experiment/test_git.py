"""Asking git of a folder runs nothing that the folder names."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from emosym.experiment import git

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git")


def _run(*words: str) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *author, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, a repository with one commit."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "a.txt").write_text("a")
    (folder / ".gitattributes").write_text("*.txt filter=evil\n")
    _run("init", "-q", ".")
    _run("add", "-A")
    _run("commit", "-qm", "one")
    return folder


def test_the_commit_and_whether_files_changed(repository: Path) -> None:
    clean = git.state()
    assert len(clean["commit"]) == 40
    assert not clean["dirty"]
    (repository / "b").write_text("new")
    assert git.state() == {**clean, "dirty": True}


@pytest.mark.parametrize(
    "key", ["core.fsmonitor", "filter.evil.clean", "filter.evil.process", "core.hooksPath"]
)
def test_nothing_that_the_repository_configures_is_run(repository: Path, tmp_path: Path, key: str) -> None:
    trace, script = tmp_path / "ran", tmp_path / "hooks" / "post-index-change"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntouch {trace}\ncat\n")
    script.chmod(0o755)
    _run("config", key, str(script.parent if key == "core.hooksPath" else script))
    os.utime(repository / "a.txt", (1, 1))  # git must look into it again
    state = git.state()
    assert not trace.exists()
    assert not state["dirty"]
    subprocess.run(["git", "status"], capture_output=True, check=False)
    assert trace.exists()  # The repository is hostile; only the way of asking kept it from running.


def test_outside_a_repository_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git.state() == {"commit": None, "dirty": False}
