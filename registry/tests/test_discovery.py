"""What is found on the path, through metadata as pip writes it."""

from __future__ import annotations

import sys
from pathlib import Path

import packaging.version  # noqa: F401 - it is off the path in these tests
import pytest
from emosym_registry import load_registry
from emosym_registry.discovery import InstalledPlugin, canonical, discover

from .conftest import HEADER, INFO


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders, and nothing else, on the path."""
    folders = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(sys, "path", [str(folder) for folder in folders])
    return folders


def declare(folder: Path, distribution: str, entries: str) -> None:
    info = folder / f"{distribution}.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text(f"[emosym.plugins]\n{entries}\n")


def test_a_plugin_is_found_with_its_distribution(path: tuple[Path, Path]) -> None:
    declare(path[0], "My_Plugin-1.2", "mine = my_plugin.plugin")
    assert discover() == [InstalledPlugin("mine", "my_plugin.plugin", "my-plugin", "1.2")]


def test_the_first_folder_of_the_path_wins_as_it_does_for_imports(path: tuple[Path, Path]) -> None:
    declare(path[0], "my_plugin-2.0", "mine = a")
    declare(path[1], "my_plugin-1.0", "mine = a\nold = b")
    assert [(one.id, one.version) for one in discover()] == [("mine", "2.0")]


def test_metadata_left_by_an_upgrade_that_was_cut_short_is_no_clash(path: tuple[Path, Path]) -> None:
    declare(path[0], "my_plugin-1.0", "mine = a")
    declare(path[0], "my_plugin-2.0", "mine = a")
    assert [(one.id, one.version) for one in discover()] == [("mine", "2.0")]


def test_metadata_that_contradicts_itself_is_a_failure(path: tuple[Path, Path]) -> None:
    declare(path[0], "my_plugin-1.0", "mine = my_old_module")
    declare(path[0], "my_plugin-2.0", "mine = my_new_module")
    for module in ("my_old_module", "my_new_module"):
        (path[0] / f"{module}.py").write_text(HEADER + INFO.format(id="mine"))
    registry = load_registry(on_failure=lambda failure: None, strict=False)
    assert registry.plugins["mine"].installed.version == "2.0"
    (failure,) = registry.failures
    assert (failure.stage, failure.cause) == ("discover", "my-plugin is installed twice, as 2.0 and 1.0")
    assert failure.hint == "pip install --force-reinstall my-plugin, or pip uninstall my-plugin"


def test_two_distributions_of_one_id_are_both_found(path: tuple[Path, Path]) -> None:
    declare(path[0], "one-1.0", "mine = a")
    declare(path[1], "two-1.0", "mine = a")
    assert [one.distribution for one in discover()] == ["one", "two"]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("mine = pkg:thing", "names an object, not a module"),
        ("mine = not a module", "is no module's name"),
        ("mine = 100 %", "is no module's name"),
    ],
)
def test_an_entry_that_cannot_be_used_is_kept_with_its_reason(
    path: tuple[Path, Path], entry: str, problem: str
) -> None:
    declare(path[0], "my_plugin-1.0", entry)
    (found,) = discover()
    assert found.id == "mine"
    assert problem in found.problem


def test_one_unreadable_file_hides_no_other(path: tuple[Path, Path]) -> None:
    declare(path[0], "broken-1.0", "mine = a\nmine = b")
    declare(path[0], "good-1.0", "good = c")
    other = path[0] / "unrelated-1.0.dist-info"
    other.mkdir()
    (other / "entry_points.txt").write_bytes(b"[console_scripts]\nx = \xff\xfe")
    found = discover()
    assert [(one.id, bool(one.problem)) for one in found] == [("broken", True), ("good", False)]


@pytest.mark.parametrize("name", ["Emosym_VLM", "emosym.vlm", "emosym--vlm", "emosym-vlm"])
def test_names_of_distributions_are_written_in_one_way(name: str) -> None:
    assert canonical(name) == "emosym-vlm"
