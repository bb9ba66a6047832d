"""Pictures that a file lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from emosym_data.config import IndexConfig
from emosym_data.conformance import write_index
from emosym_data.index import IndexFile
from emosym_registry import EmosymError

from emosym.contracts import Context, LabelSet


def reader(path: Path, labels: str | list[str] = "mikels-8", **params: object) -> IndexFile:
    return IndexFile(IndexConfig.model_validate({"path": path, **params}), Context(LabelSet.of(labels)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """24 pictures of each split."""
    return write_index(tmp_path / "pictures")


def test_splits_labels_and_attributes_are_the_files(file: Path) -> None:
    data = reader(file)
    assert data.problems() == []
    train = data.split("train")
    assert len(train) == len(data.split("val")) == 24
    first = train[0]
    assert (first.id, first.label) == ("train/amusement/00.png", 0)
    assert first.attributes["scene"] == "amusement_park"
    assert first.images == (file.parent / first.id,)
    assert {sample.label for sample in reader(file, "binary").split("test")} == {0, 1}
    moved = file.rename(file.parent.parent / "index.jsonl")
    assert reader(moved, root=file.parent).split("train")[0].open()


def test_a_picture_without_a_label_stays_unlabelled(file: Path) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[0] |= {"label": None, "id": "mine"}
    file.write_text("\n".join(map(json.dumps, lines)))
    data = reader(file)
    assert data.problems() == []
    every = [sample for split in ("train", "val", "test") for sample in data.split(split)]
    assert [sample.id for sample in every if sample.label is None] == ["mine"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", ":73: Invalid JSON"),
        ('{"split": "training", "image": "a.png"}', ":73: split: Input should be 'train', 'val' or 'test'"),
        ('{"split": "train", "image": null}', ":73: image: Input should be a valid string"),
        (
            '{"split": "val", "image": "x", "attributes": {"brightness": "much"}}',
            ":73: brightness is 'much', not a number",
        ),
        ('{"split": "train", "image": "none.png", "label": "awe"}', "none.png: no such file"),
        (
            '{"split": "train", "image": "val/awe/01.png", "label": "awe"}',
            "'val/awe/01.png' was named before",
        ),
        ('{"split": "train", "image": "val/awe/01.png", "id": "x", "label": "aw"}', 'did you mean "awe"?'),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_number(file: Path, line: str, said: str) -> None:
    file.write_text(file.read_text() + line + "\n")
    data = reader(file)
    (problem,) = data.problems()
    assert said in problem
    assert str(file) in problem or str(file.parent) in problem
    with pytest.raises(EmosymError, match="cannot be used"):
        data.split("train")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (problem,) = reader(tmp_path / "none.jsonl").problems()
    assert "none.jsonl: cannot be read" in problem
