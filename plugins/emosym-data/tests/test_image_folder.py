"""Folders of pictures by emotion."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emosym_data.config import ImageFolderConfig
from emosym_data.image_folder import ImageFolder, _cuts
from emosym_registry import EmosymError
from PIL import Image
from pydantic import ValidationError

from emosym.contracts import MIKELS_8, SPLITS, Context, LabelSet

Write = Callable[..., Path]


def read(root: Path, labels: Any = "mikels-8", **params: Any) -> ImageFolder:
    return ImageFolder(
        ImageFolderConfig.model_validate({"root": root, **params}), Context(LabelSet.of(labels))
    )


def test_a_plain_folder_is_divided_class_by_class(folder: Write) -> None:
    data = read(folder(), fractions=[0.7, 0.1, 0.2])
    assert data.problems() == []
    for name, count in (("train", 14), ("val", 2), ("test", 4)):
        assert Counter(sample.label for sample in data.split(name)) == dict.fromkeys(range(8), count)
    ids = [sample.id for name in ("train", "val", "test") for sample in data.split(name)]
    assert len(set(ids)) == 160
    assert ids[0].startswith("amusement/")


def test_the_division_depends_on_names_and_seed_alone(folder: Write, tmp_path: Path) -> None:
    root = folder()
    moved = tmp_path / "moved"
    shutil.copytree(root, moved)
    one, other = ([s.id for s in read(place).split("test")] for place in (root, moved))
    assert one == other
    assert one != [s.id for s in read(root, split_seed=1).split("test")]


def test_splits_of_its_own_are_kept(folder: Write) -> None:
    data = read(folder(splits=True))
    assert data.problems() == []
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [56, 56, 48]
    assert all(sample.id.startswith("val/") for sample in data.split("val"))


def test_case_does_not_matter_and_binary_labels_work(folder: Write) -> None:
    root = folder()
    (root / "awe").rename(root / "Awe")
    data = read(root, "binary")
    assert data.problems() == []
    assert {s.label for s in data.split("train") if s.id.startswith("Awe/")} == {1}


def test_any_names_can_be_emotions(folder: Write) -> None:
    root = folder()
    for name in MIKELS_8[2:]:
        shutil.rmtree(root / name)
    (root / "awe").rename(root / "calm")
    assert read(root, ["amusement", "calm"]).problems() == []


def test_every_problem_is_listed_at_once(folder: Write) -> None:
    root = folder()
    (root / "fear").rename(root / "faer")
    shutil.rmtree(root / "anger")
    (root / "awe" / "notes.txt").write_text("mine")
    problems = read(root).problems()
    assert len(problems) == 4
    text = "\n".join(problems)
    assert "unknown emotion 'faer'; did you mean \"fear\"?" in text
    assert f"{root}/anger: no pictures of anger" in text
    assert "notes.txt: not a picture" in text
    with pytest.raises(EmosymError, match="faer"):
        read(root).split("train")


def test_a_missing_split_folder_is_a_problem(folder: Write) -> None:
    root = folder(splits=True)
    shutil.rmtree(root / "val")
    assert read(root).problems() == [f"{root}/val: no such folder; the others are there"]


def test_fractions_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="sum to 1"):
        ImageFolderConfig(root=Path("x"), fractions=(0.5, 0.5, 0.5))


def test_folders_inside_an_emotion_are_read_and_dead_links_named(folder: Write) -> None:
    root = folder()
    inner = root / "awe" / "2019" / "alps"
    inner.mkdir(parents=True)
    moved = sorted((root / "awe").glob("*.png")) + sorted((root / "awe").glob("*.jpg"))
    moved[0].rename(inner / moved[0].name)
    ids = {sample.id for split in SPLITS for sample in read(root).split(split)}
    assert f"awe/2019/alps/{moved[0].name}" in ids
    (root / "awe" / "gone.png").symlink_to(root / "nowhere.png")
    assert read(root).problems() == [f"{root}/awe/gone.png: leads to no file; remove it or mend the link"]


def test_a_name_that_is_no_text_is_a_finding(folder: Write) -> None:
    root = folder()
    picture = next(path for path in sorted((root / "awe").iterdir()))
    os.rename(picture, os.fsencode(root / "awe") + b"/caf\xe9.png")
    (problem,) = read(root).problems()
    assert problem.startswith(f"{root}/awe/caf\\xe9.png: its name is not UTF-8")


@pytest.mark.parametrize("size", range(3, 18))
def test_every_split_gets_a_picture_of_a_class_of_three_or_more(size: int) -> None:
    first, second = _cuts(size, 0.8, 0.05)
    assert 1 <= first < second < size


def test_two_pictures_a_class_are_too_few_and_said_to_be(folder: Write) -> None:
    root = folder()
    for picture in sorted((root / "awe").iterdir())[2:]:
        picture.unlink()
    assert any("has no picture of awe" in line for line in read(root).problems())


def test_labels_of_any_spelling_are_the_folders(tmp_path: Path) -> None:
    for emotion in ("HAPPY", "calm"):
        (tmp_path / emotion).mkdir()
        for number in range(4):
            Image.new("RGB", (8, 8), (number, 9, 9)).save(tmp_path / emotion / f"{number}.png")
    data = ImageFolder(
        ImageFolderConfig(root=tmp_path), Context(LabelSet.of({"Happy": "positive", "Calm": None}))
    )
    assert data.problems() == []
    assert {sample.label for sample in data.split("train")} == {0, 1}
