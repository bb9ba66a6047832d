from pathlib import Path

import pytest
from emosym_registry import EmosymError

from emosym.files import write_json, written_whole


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ZeroDivisionError), written_whole(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_write_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "system"
    with written_whole(folder) as partial:
        partial.mkdir()
        (partial / "x").write_text("old")
    with pytest.raises(EmosymError, match="nothing was changed"), written_whole(folder) as partial:
        partial.mkdir()
        (partial / "x").write_text("new")
        raise OSError(28, "No space left on device")
    assert (folder / "x").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["system"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "system"
    for names in (("a", "b"), ("c",)):
        with written_whole(folder) as partial:
            partial.mkdir()
            for name in names:
                (partial / name).write_text(name)
    assert [p.name for p in folder.iterdir()] == ["c"]
