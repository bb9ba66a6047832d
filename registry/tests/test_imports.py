"""The package is light, and its modules lie in one order."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import emosym_registry

FOLDER = Path(emosym_registry.__file__).parent


def imports(path: Path, modules: set[str]) -> set[str]:
    """Modules of the package that a file imports anywhere, inside functions and for types too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative imports would be missed here"
            names |= {str(node.module)}
    return names & modules


def test_no_module_imports_one_that_imports_it() -> None:
    files = {
        ".".join(["emosym_registry", *path.relative_to(FOLDER).with_suffix("").parts]).removesuffix(
            ".__init__"
        ): path
        for path in FOLDER.rglob("*.py")
    }
    graph = {name: imports(path, set(files)) for name, path in files.items()}
    assert "emosym_registry.plugins" in graph["emosym_registry.registry"]
    TopologicalSorter(graph).prepare()


def test_loading_plugins_reads_no_card_and_imports_nothing_heavy() -> None:
    code = """
import sys
from emosym_registry import load_registry
load_registry()
heavy = {"emosym_registry.cards", "packaging", "ruamel.yaml", "pydantic", "torch", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)
