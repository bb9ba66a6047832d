"""Every package declares what it imports, and imports what it declares, or says here why not."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from .conftest import PROJECTS, ROOT

EXPLAINED: Mapping[str, Mapping[str, str]] = {
    "emosym": {
        "pytest": "only pytest loads the plugin for it",
        "ray": "extra ray: an executor of studies imports it by its name",
        "submitit": "extra slurm: an executor of studies imports it by its name",
    },
    "emosym-diffusion": {"xformers": "extra xformers: diffusers imports it"},
    "emosym-memory": {"psycopg": "extra postgres: SQLAlchemy imports it"},
    "emosym-metrics": {"torch-fidelity": "torchmetrics imports it for FID, KID and LPIPS"},
    "emosym-official": {"emosym-reasoning": "the systems that it makes name its components"},
    "emosym-vlm": {
        "accelerate": "transformers imports it for quantized models",
        "bitsandbytes": "extra 4bit: transformers imports it",
        "num2words": "the processor of SmolVLM imports it",
        "torchvision": "image processors of transformers import it",
    },
}
"""By package, what is declared and not imported, or imported and not declared."""
FOR_PEOPLE = ("standard", "dev")
"""Extras that bring packages and tools together, which no code imports."""


def project(folder: Path) -> dict[str, Any]:
    """What a package says of itself."""
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def name_of(requirement: str) -> str:
    """``emosym-data[openai]==0.1.0`` as emosym-data."""
    return re.split(r"[\s<>=!~;\[]", requirement)[0].lower().replace("_", "-").replace(".", "-")


def imported(folder: Path) -> Iterator[str]:
    """Modules that a package imports anywhere in its code, by their first word; templates of other packages left out."""
    for package in project(folder)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        for file in sorted((folder / package).rglob("*.py")):
            if "scaffold" in file.parts:
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    yield from (alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    yield node.module.partition(".")[0]


@cache
def distributions() -> Mapping[str, list[str]]:
    """The packages that bring a module."""
    return metadata.packages_distributions()


def used(folder: Path) -> dict[str, set[str]]:
    """By module of somebody else, the packages that may bring it; its own name where it is not installed."""
    own = set(project(folder)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    foreign = set(imported(folder)) - set(sys.stdlib_module_names) - {Path(one).name for one in own}
    return {name: {name_of(one) for one in distributions().get(name, [name])} for name in sorted(foreign)}


def declared(folder: Path) -> set[str]:
    """What a package declares, extras included."""
    about = project(folder)["project"]
    extras = about.get("optional-dependencies", {})
    lists = [about["dependencies"], *(names for extra, names in extras.items() if extra not in FOR_PEOPLE)]
    return {name_of(one) for names in lists for one in names}


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_what_is_imported_is_declared(folder: Path) -> None:
    known = declared(folder) | set(EXPLAINED.get(project(folder)["project"]["name"], ()))
    missing = {module: sorted(owners) for module, owners in used(folder).items() if not owners & known}
    assert missing == {}


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_what_is_declared_is_imported(folder: Path) -> None:
    explained = set(EXPLAINED.get(project(folder)["project"]["name"], ()))
    there = {owner for owners in used(folder).values() for owner in owners}
    assert sorted(declared(folder) - there - explained) == []


def test_an_extra_of_a_plugin_is_its_own() -> None:
    extras = project(ROOT)["project"]["optional-dependencies"]
    assert sorted(extras) == ["dev", "heic", "ray", "slurm", "standard", "web"]


def test_the_lock_holds_all_that_is_declared() -> None:
    lock = {
        name_of(line) for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:1].isalpha()
    }
    for folder in PROJECTS:
        wanted = {name_of(one) for one in project(folder)["project"]["dependencies"]}
        assert {name for name in wanted - lock if not name.startswith("emosym")} == set()
