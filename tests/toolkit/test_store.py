"""What is kept on disk: the same bits, a budget, other processes, and disks that do not take it."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from emosym.toolkit import Store, kept_statistics, key_of, picture_key
from emosym.toolkit.spaces import ABOUT, DATA, make_room, spaces

ABOUT_A = {"weights": "a"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path / "cache"))
    kept_statistics(anew=True)
    return tmp_path / "cache"


def value(number: int, size: int = 8, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    drawn = torch.randn(size, generator=torch.Generator().manual_seed(number)).to(dtype)
    return {"drawn": drawn, "number": torch.tensor(number)}


def recall(
    store: Store, numbers: list[int], size: int = 8, dtype: torch.dtype = torch.float32
) -> list[list[int]]:
    """What the store asked to be made; what it gives is checked."""
    asked: list[list[int]] = []

    def make(places: list[int]) -> list[dict[str, Tensor]]:
        asked.append([numbers[i] for i in places])
        return [value(numbers[i], size, dtype) for i in places]

    found = store.recall([key_of(number) for number in numbers], make)
    for number, one in zip(numbers, found, strict=True):
        wanted = value(number, size, dtype)
        assert one.keys() == wanted.keys()
        for name, tensor in wanted.items():
            assert one[name].dtype == tensor.dtype
            assert torch.equal(one[name], tensor)
    return asked


def test_what_would_have_to_be_made_is_known_without_making_it() -> None:
    store, keys = Store("test", ABOUT_A, 4), [key_of(number) for number in (3, 1, 3, 2)]
    assert store.missing(keys) == [0, 1, 3]
    recall(store, [1, 4])
    assert store.missing(keys) == [0, 3]
    assert recall(store, [3, 1, 3, 2]) == [[3, 2]]
    assert store.missing(keys) == []
    assert Store("test", ABOUT_A, 4).missing(keys) == [0, 1, 3]  # not opened yet
    store.forget()
    assert store.missing(keys) == [0, 1, 3]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_value_is_made_once_and_found_bit_for_bit(dtype: torch.dtype) -> None:
    assert recall(Store("test", ABOUT_A, 4), [1, 2, 1], dtype=dtype) == [[1, 2]]
    assert recall(Store("test", ABOUT_A, 4), [2, 3, 1, 3], dtype=dtype) == [[3]]
    assert recall(Store("test", ABOUT_A, 4), [3, 2, 1], dtype=dtype) == []
    found = kept_statistics(anew=True)["test"]
    assert (found["hits"], found["misses"], found["full"]) == (7, 3, False)
    assert found["bytes"] > 0
    assert kept_statistics() == {}


def test_what_it_depends_on_keeps_apart() -> None:
    recall(Store("test", ABOUT_A, 4), [1])
    assert recall(Store("test", {"weights": "b"}, 4), [1]) == [[1]]
    assert recall(Store("other", ABOUT_A, 4), [1]) == [[1]]
    assert {(space.kind, space.about["weights"]) for space in spaces()} == {
        ("test", "a"), ("test", "b"), ("other", "a"),
    }  # fmt: skip


def test_another_process_finds_it() -> None:
    recall(Store("test", ABOUT_A, 4), [1, 2])
    code = (
        "from emosym.toolkit import Store, key_of\n"
        "found = Store('test', {'weights': 'a'}, 4).recall([key_of(2), key_of(1)], lambda places: 1 / 0)\n"
        "print([int(one['number']) for one in found])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[2, 1]"


def test_a_spent_budget_keeps_what_there_is_and_says_so() -> None:
    store = Store("test", ABOUT_A, 1)
    for start in range(0, 64, 8):
        recall(store, [*range(start, start + 8)], size=8192)  # 2 MB in all
    assert kept_statistics()["test"]["full"]
    again = recall(store, [*range(64)], size=8192)[0]
    assert 0 < len(again) < 64
    assert again == [*range(again[0], 64)], "the first ones are kept: a cycle through all finds them again"
    assert sum(space.bytes for space in spaces()) < 1.3 * 2**20


def test_stores_that_grow_side_by_side_keep_to_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emosym.toolkit.store.TENDED", 0.0)
    both = Store("test", ABOUT_A, 4), Store("other", ABOUT_A, 4)
    for start in range(0, 120, 4):  # 3.9 MB each
        for store in both:
            recall(store, [*range(start, start + 4)], size=8192)
    found = kept_statistics()
    assert found["test"]["full"]
    assert found["other"]["full"]
    assert sum(space.bytes for space in spaces()) < 4.6 * 2**20
    assert recall(both[0], [0, 1], size=8192) == []


def test_no_budget_keeps_nothing(cache: Path) -> None:
    store = Store("test", ABOUT_A, 0)
    assert recall(store, [1]) == recall(store, [1]) == [[1]]
    assert not cache.exists()


def test_room_is_made_by_the_longest_unused(cache: Path) -> None:
    for name, age in (("old", 9000), ("older", 9999), ("new", 0)):
        recall(Store("test", {"weights": name}, 4), [*range(40)], size=4096)
        folder = next(space.folder for space in spaces() if space.about["weights"] == name)
        os.utime(folder / ABOUT, (time.time() - age,) * 2)
    assert [space.about["weights"] for space in spaces()] == ["older", "old", "new"]
    size = spaces()[0].bytes
    left = make_room(cache / "kept" / "another", int(4.5 * size))
    assert [space.about["weights"] for space in spaces()] == ["old", "new"]
    assert left == pytest.approx(2.5 * size, rel=0.1)
    make_room(cache / "kept" / "another", 1)
    assert [space.about["weights"] for space in spaces()] == ["new"], "a run may be reading it"


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_a_damaged_file_is_begun_anew(content: bytes) -> None:
    recall(Store("test", ABOUT_A, 4), [1])
    file = spaces()[0].folder / DATA
    code = (
        "import torch; from emosym.toolkit import Store, key_of\n"
        "for _ in range(2):\n"
        "    Store('test', {'weights': 'a'}, 4).recall([key_of(1)], lambda p: print(p) or [{'n': torch.ones(1)}])"
    )
    file.write_bytes(content)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[0]"


@pytest.mark.parametrize(
    ("damage", "said"), [("value", "Error while deserializing"), ("table", "Invalid argument")]
)
def test_what_cannot_be_read_is_made_again_and_said(
    damage: str, said: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lmdb

    store = Store("test", ABOUT_A, 4)
    recall(store, [1])
    if damage == "value":
        with store._environment().begin(write=True) as transaction:
            transaction.put(key_of(1), b"no tensors")
    else:
        broken = Mock()
        broken.begin.side_effect = lmdb.BadValsizeError("Invalid argument")
        monkeypatch.setattr(store, "_environment", lambda: broken if store.limit else None)
    with caplog.at_level(logging.WARNING, "emosym.kept"):
        assert recall(store, [1]) == [[1]]
    assert len(caplog.records) == 1
    assert caplog.records[0].message.startswith(f"test are not kept: {said}")


def test_a_disk_that_takes_nothing_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    store = Store("test", ABOUT_A, 4)
    with caplog.at_level(logging.WARNING, "emosym.kept"):
        assert recall(store, [1]) == recall(store, [1]) == [[1]]
    assert [record.message for record in caplog.records] == [
        "test are not kept: [Errno 30] read-only file system"
    ]


def test_what_is_forgotten_is_made_once_more(cache: Path) -> None:
    store = Store("test", ABOUT_A, 4)
    recall(store, [1, 2])
    store.forget()
    assert recall(store, [1]) == [[1]]
    assert recall(store, [1, 2]) == [[2]]
    assert recall(Store("test", ABOUT_A, 4), [1, 2]) == []


def test_a_picture_is_known_by_its_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(b"one")
    second.write_bytes(b"one")
    assert picture_key(first) == picture_key(second) == picture_key(b"one")
    second.write_bytes(b"two, longer")
    assert picture_key(first) != picture_key(second)
    assert picture_key(tmp_path / "none") != picture_key(tmp_path / "none")


def test_machines_on_one_disk_keep_each_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    recall(Store("test", ABOUT_A, 4), [1])
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert recall(Store("test", ABOUT_A, 4), [1]) == [[1]]
    assert len(spaces()) == 2
