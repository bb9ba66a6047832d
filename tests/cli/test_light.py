"""What must stay instant: help, and looking at what there is."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

MODELS = {
    "torch",
    "transformers",
    "diffusers",
    "open_clip",
    "huggingface_hub",
    "matplotlib",
    "pyarrow",
    "pandas",
    "scipy",
}
HEAVY = {*MODELS, "numpy", "PIL", "pydantic"}
MAIN = "import sys; from emosym.cli import main; sys.exit(main())"
RUNS = 5
LIMIT = 0.35
"""Seconds that `emosym --help` and `emosym plugins list` may take."""


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": ""}
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def imported(*words: str) -> set[str]:
    """Top-level modules that a command imports, as ``-X importtime`` lists them."""
    lines = start("-X", "importtime", "-c", MAIN, *words).stderr.splitlines()
    times = [line for line in lines if line.startswith("import time:")]
    assert len(times) > 50
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in times}


def seconds(*arguments: str) -> float:
    """Median wall time of a few fresh interpreters."""
    taken = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        start(*arguments)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("run", "--help"),
        ("data", "--help"),
        ("compare", "--help"),
        ("web", "--help"),
        ("plugins", "--help"),
        ("plugins", "list"),
        ("plugins", "list", "--json"),
        ("--version",),
    ],
)
def test_looking_around_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    assert imported(*words) & HEAVY == set()


def test_top_level_help_does_not_even_discover_plugins() -> None:
    assert not imported("--help") & {"pluggy", "entrypoints", "emosym_tiny"}


@pytest.mark.parametrize(
    "words",
    [
        ("plugins", "show", "qwen-vl"),
        ("plugins", "show", "emosym-diffusion"),
        ("plugins", "search", "sdxl"),
        ("spec", "check", "preset:tiny"),
    ],
)
def test_looking_closer_imports_no_model_library(words: tuple[str, ...]) -> None:
    assert imported(*words) & MODELS == set()


def test_a_report_needs_no_model_library(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    assert not imported("report", str(tmp_path)) & (MODELS - {"matplotlib", "pyarrow"})
    assert (tmp_path / "report.html").is_file()


def test_importing_the_package_names_what_it_has_and_imports_nothing_heavy() -> None:
    code = "import emosym; assert {'load', 'train', 'Run', 'System', 'load_spec'} <= set(dir(emosym))"
    lines = start("-X", "importtime", "-c", code).stderr.splitlines()
    assert not {line.rpartition("|")[2].strip().partition(".")[0] for line in lines} & HEAVY


@pytest.mark.parametrize("words", [("--help",), ("plugins", "list")])
def test_it_is_instant(words: tuple[str, ...]) -> None:
    # 0.11 s and 0.13 s on an idle machine of two cores; a busy one starts any interpreter just as much more slowly.
    busy = seconds("-c", "import json, argparse, subprocess") / 0.04
    assert seconds("-c", MAIN, *words) < LIMIT * max(1.0, busy)
