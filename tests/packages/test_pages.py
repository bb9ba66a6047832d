"""The pages that promise something to plugin authors are executed, word for word."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, Environment
from .pages import Command, File, matches, steps

PAGES = ("docs/how-to/write-a-plugin.md",)
FEW = (
    "data.params.train=64",
    "data.params.val=16",
    "data.params.test=32",
    "evaluation.per_class=2",
    *(f"stages.{stage}.steps=2" for stage in ("compress", "reinforce", "unify")),
    *(f"stages.{stage}.batch_size=8" for stage in ("compress", "reinforce", "unify")),
)
"""What makes a run of the tutorial take seconds; all else is as the reader has it."""


@pytest.fixture
def shell(environment: Environment) -> Iterator[dict[str, str]]:
    """Variables of a shell in which ``emosym`` and ``pip`` are those of the fresh environment."""
    uv = Path(sys.executable).parent / "uv"
    pip = environment.folder / "bin" / "pip"
    options = f"--quiet --offline --no-deps --no-build-isolation --python {environment.python}"
    pip.write_text(
        "#!/bin/sh\ncommand=$1\nshift\ncase $command in\n"
        f'install) exec {uv} pip install {options} "$@";;\n'
        f'uninstall) exec {uv} pip uninstall --quiet --python {environment.python} "$@";;\nesac\n'
    )
    pip.chmod(0o755)
    kept = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV", "COLUMNS")
    }
    before = environment.installed()
    yield {**kept, "PATH": f"{environment.folder / 'bin'}:{os.environ['PATH']}"}
    left = sorted(environment.installed() - before)  # by a page that failed before its end
    if left:
        subprocess.run([pip, "uninstall", *left], check=True)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(page: str, shell: dict[str, str], tmp_path: Path) -> None:
    follow(page, shell, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_tutorial_goes_through_with_runs_of_a_few_steps(
    shell: dict[str, str], environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    short = tmp_path / "short" / "emosym"
    short.parent.mkdir()
    real = environment.folder / "bin" / "emosym"
    options = " ".join(f"--set {one}" for one in FEW)
    short.write_text(
        f'#!/bin/sh\ncase $1 in\nrun) exec {real} "$@" {options};;\n*) exec {real} "$@";;\nesac\n'
    )
    short.chmod(0o755)
    follow("docs/tutorial.md", {**shell, "PATH": f"{short.parent}:{shell['PATH']}"}, tmp_path)
    assert (tmp_path / "runs" / "mine" / "report.html").is_file()


def follow(page: str, shell: dict[str, str], folder: Path) -> None:
    """Do what a page says, in a folder, and compare what it says with what is printed."""
    done = 0
    for step in steps(ROOT / page):
        match step:
            case File(_, path, text):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8")
            case Command(line, words, expected):
                ran = subprocess.run(
                    ["bash", "-c", words], cwd=folder, env=shell, timeout=1200,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                )  # fmt: skip
                where = f"{page}:{line}: $ {words}"
                assert matches(expected, ran.stdout), (
                    f"{where}\n--- expected\n{expected}\n--- printed\n{ran.stdout}"
                )
                assert ran.returncode == 0, f"{where}: exit status {ran.returncode}"
                done += 1
    assert done > 0


def test_the_comparison_notices_what_is_missing_or_too_much() -> None:
    assert matches("a…c\n…\nlast", "abc\nx\ny\nlast\n")
    assert matches("", "")
    assert not matches("a", "a\nb")
    assert not matches("a\nb", "a")
    assert not matches("", "noise")
