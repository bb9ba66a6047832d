"""What must stay instant: help and the list of plugins."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "diffusers", "open_clip", "numpy", "PIL", "matplotlib", "pydantic"}


def imported(*words: str) -> set[str]:
    """Top-level modules that a command imports."""
    code = "import sys; from emosym.cli import main; status = main(); print(*sys.modules, file=sys.stderr); sys.exit(status)"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120, check=True
    )
    return {name.split(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize(
    "words", [("--help",), ("run", "--help"), ("data", "--help"), ("plugins", "list"), ("--version",)]
)
def test_looking_around_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    assert imported(*words) & HEAVY == set()


def test_top_level_help_does_not_even_discover_plugins() -> None:
    assert not imported("--help") & {"emosym_registry", "pluggy", "entrypoints", "emosym_tiny"}


def test_checking_a_spec_imports_no_torch() -> None:
    assert not imported("spec", "check", "preset:tiny") & {"torch", "transformers", "diffusers", "open_clip"}
