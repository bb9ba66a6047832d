"""What lies above what: no circle of imports anywhere, a picture that is true, and plugins on public ground alone."""

from __future__ import annotations

import ast
import graphlib
import importlib
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.name.replace("-", "_") for path in (ROOT / "plugins").iterdir() if path.is_dir())
PUBLIC = (
    "emosym",
    "emosym.contracts",
    "emosym.testing",
    "emosym.toolkit",
    "emosym_registry",
    "emosym_registry.errors",
)
"""Modules whose exports docs/explanation/plugin-api.md lists."""


def test_nothing_imports_itself_by_any_way() -> None:
    """Counting imports inside functions and those for types alone."""
    graph = grimp.build_graph("emosym", "emosym_registry", *PLUGINS)
    edges = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    list(graphlib.TopologicalSorter(edges).static_order())  # raises CycleError with the circle


def test_the_picture_of_the_architecture_is_drawn_from_the_code() -> None:
    architecture = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "architecture.py")))
    drawn = architecture.FILE.read_text(encoding="utf-8")
    assert drawn == architecture.drawing(architecture.imports()), "run: python docs/architecture.py"


def imports_of(package: Path) -> Iterator[tuple[str, str, str]]:
    """File, module and name of everything of ours that a package imports."""
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                yield from ((path.name, node.module, alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((path.name, alias.name, "") for alias in node.names)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_first_party_plugin_imports_nothing_that_is_not_public(plugin: str) -> None:
    package = ROOT / "plugins" / plugin.replace("_", "-") / plugin
    for file, module, name in imports_of(package):
        root = module.partition(".")[0]
        if root == plugin or not root.startswith("emosym"):
            continue
        public = module in PUBLIC or (root in PLUGINS and module == root)
        assert public, f"{plugin}/{file} imports {module}, which plugin-api.md does not list"
        exported = importlib.import_module(module)
        names = {*(getattr(exported, "__all__", None) or vars(exported)), "__version__"}
        assert not name or name in names, f"{plugin}/{file}: {module} does not export {name}"


def test_every_distribution_tells_type_checkers_that_it_is_typed() -> None:
    for project in [
        ROOT / "pyproject.toml",
        ROOT / "registry" / "pyproject.toml",
        *ROOT.glob("plugins/*/pyproject.toml"),
    ]:
        packages = tomllib.loads(project.read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
            "packages"
        ]
        for package in packages:
            assert (project.parent / package / "py.typed").exists(), f"{project.parent.name}: no py.typed"
