from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emosym_official import import_official
from emosym_registry import Registry, load_registry

from emosym import System
from emosym.cli import main

from .checkpoints import Shape, write

SPEC = "preset:tiny"
SETS = ("compute.precision=fp32", "compute.device=cpu", "data.params.train=32", "data.params.test=8")

Importing = Callable[..., System]
Writing = Callable[..., Path]


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The installed plugins."""
    return load_registry(strict=True)


@pytest.fixture(scope="session")
def base(registry: Registry) -> Path:
    path = registry.alias("backbone", "qwen-vl", "tiny")
    assert path is not None
    return Path(path)


@pytest.fixture(scope="session")
def text_width(registry: Registry) -> int:
    generation = System.new(SPEC, sets=SETS, registry=registry).require_generation()
    (width,) = generation.diffusion.token_widths
    return int(width)


@pytest.fixture(scope="session")
def writing(base: Path, text_width: int, tmp_path_factory: pytest.TempPathFactory) -> Writing:
    """Write a checkpoint of a given shape into a folder of its own."""

    def make(**shape: Any) -> Path:
        folder = tmp_path_factory.mktemp("official") / "lora"
        return write(folder, base, Shape(text_width=text_width, **shape))

    return make


@pytest.fixture(scope="session")
def shared(writing: Writing) -> Path:
    """One checkpoint of the usual shape; nobody changes it."""
    return writing()


@pytest.fixture
def checkpoint(shared: Path, tmp_path: Path) -> Path:
    """A copy of the usual checkpoint that a test may break."""
    return Path(shutil.copytree(shared, tmp_path / "lora"))


@pytest.fixture
def importing(registry: Registry, tmp_path: Path) -> Importing:
    """Import a checkpoint and load the system that it became."""

    def run(folder: Path, *sets: str, **options: Any) -> System:
        out = tmp_path / "imported"
        import_official(
            folder, out, spec=SPEC, registry=registry, sets=[*SETS, *sets], device="cpu", **options
        )
        return System.load(out, registry=registry, device="cpu", precision="fp32")

    return run


@pytest.fixture(scope="session")
def imported(shared: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the usual checkpoint as a system."""
    out = tmp_path_factory.mktemp("imported") / "system"
    import_official(shared, out, spec=SPEC, registry=registry, sets=SETS, device="cpu")
    return out


@pytest.fixture(scope="session")
def system(imported: Path, registry: Registry) -> System:
    return System.load(imported, registry=registry, device="cpu", precision="fp32")


@pytest.fixture
def emosym(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run ``emosym`` in this process: exit status, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["emosym", *map(str, words)])
        status = main()
        return status, *capfd.readouterr()

    return run
