import errno
from pathlib import Path

import pytest
from emosym_registry import EmosymError

from emosym.toolkit import write_json, written_whole

FULL = Path("/dev/full")


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
        raise OSError(errno.EROFS, "Read-only file system")
    assert (folder / "x").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["system"]


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
@pytest.mark.parametrize(("size", "shown"), [(0, "free some space"), (10**18, "it needs 1000000000000.0 MB")])
def test_a_full_disk_says_what_to_do_and_leaves_the_old_file(tmp_path: Path, size: int, shown: str) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(EmosymError, match=shown) as error, written_whole(path, size) as partial:
        partial.symlink_to(FULL)
        partial.write_text("new")
    assert error.value.id == "files.disk-full"
    assert str(path) in error.value.message
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmosymError, match="nothing was changed") as error:
        write_json(tmp_path / "file" / "a.json", {})
    assert error.value.id == "run.cannot-write"


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "system"
    for names in (("a", "b"), ("c",)):
        with written_whole(folder) as partial:
            partial.mkdir()
            for name in names:
                (partial / name).write_text(name)
    assert [p.name for p in folder.iterdir()] == ["c"]
