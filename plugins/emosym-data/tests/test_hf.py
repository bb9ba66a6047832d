"""Datasets of the datasets library, written to disk by the library itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from emosym_data.config import HfConfig
from emosym_data.hf import HfDataset
from emosym_registry import EmosymError
from PIL import Image

from emosym.contracts import MIKELS_8, Context, LabelSet


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8))


def rows(count: int, seed: int, labels: Any) -> datasets.Dataset:
    names = list(reversed(MIKELS_8))
    columns = {
        "picture": [picture(seed + i) for i in range(count)],
        "emotion": [names[i % 8] if labels == "text" else i % 8 for i in range(count)],
        "scene": [f"scene {i}" for i in range(count)],
    }
    feature = (
        datasets.ClassLabel(names=names)
        if labels == "class"
        else datasets.Value("string" if labels == "text" else "int64")
    )
    features = datasets.Features(
        {"picture": datasets.Image(), "emotion": feature, "scene": datasets.Value("string")}
    )
    return datasets.Dataset.from_dict(columns, features=features)


def save(folder: Path, labels: Any = "class") -> Path:
    counts = {"train": 40, "validation": 16, "test": 16}
    datasets.DatasetDict({name: rows(n, 100 * n, labels) for name, n in counts.items()}).save_to_disk(
        str(folder)
    )
    return folder


def read(folder: Path, **params: Any) -> HfDataset:
    given = {"path": str(folder), "image": "picture", "label": "emotion", **params}
    return HfDataset(HfConfig.model_validate(given), Context(LabelSet.of("mikels-8")))


@pytest.mark.parametrize("labels", ["class", "text", "number"])
def test_a_saved_dataset_is_read(tmp_path: Path, labels: str) -> None:
    data = read(
        save(tmp_path / "d", labels),
        columns=["scene"],
        names=list(reversed(MIKELS_8)) if labels == "number" else None,
    )
    assert data.problems() == []
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [40, 16, 16]
    sample = data.split("train")[1]
    assert (sample.id, MIKELS_8[sample.label or 0], sample.attributes["scene"]) == (
        "train/1",
        "fear",
        "scene 1",
    )
    assert isinstance(sample.images[0], bytes)
    assert np.array_equal(np.asarray(sample.open()[0]), np.asarray(picture(4001)))


def test_subsets_are_drawn_class_by_class(tmp_path: Path) -> None:
    data = read(save(tmp_path / "d"), limit=16, labelled=8)
    train = data.split("train")
    assert Counter(sample.label for sample in train if sample.label is not None) == dict.fromkeys(range(8), 1)
    assert len(train) == 16


def test_val_can_be_taken_out_of_train(tmp_path: Path) -> None:
    data = read(
        save(tmp_path / "d"), splits={"train": "train", "val": None, "test": "test"}, val_fraction=0.2
    )
    train, val = data.split("train"), data.split("val")
    assert (len(train), len(val)) == (32, 8)
    pictures = [{bytes(sample.images[0]) for sample in split} for split in (train, val)]
    assert not pictures[0] & pictures[1]
    assert Counter(sample.label for sample in val) == dict.fromkeys(range(8), 1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"image": "pictur"}, "unknown column 'pictur'; did you mean \"picture\""),
        ({"splits": {"train": "trian", "val": "validation", "test": "test"}}, "unknown split 'trian'"),
        ({"id": "scenes"}, "unknown column 'scenes'"),
    ],
)
def test_wrong_names_are_problems(tmp_path: Path, params: dict[str, Any], message: str) -> None:
    data = read(save(tmp_path / "d"), **params)
    assert message in "\n".join(data.problems())
    with pytest.raises(EmosymError):
        data.split("train")


def test_numbers_without_names_are_a_problem(tmp_path: Path) -> None:
    assert "no name for it is known" in "\n".join(read(save(tmp_path / "d", "number")).problems())


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    problems = read(tmp_path / "nowhere").problems()
    assert len(problems) == 1
    assert "cannot be loaded" in problems[0]
