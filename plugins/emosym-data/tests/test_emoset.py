"""EmoSet's layout: both kinds of index, attributes, subsets, and everything that can be wrong."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from emosym_data.config import EmoSetConfig
from emosym_data.emoset import EmoSet
from emosym_data.emoset_index import read_emotions, read_index
from emosym_data.findings import Findings
from emosym_registry import EmosymError
from pydantic import ValidationError

from emosym.contracts import MIKELS_8, POSITIVE, Context, LabelSet

Write = Callable[..., Path]


def read(root: Path, labels: Any = "mikels-8", **params: Any) -> EmoSet:
    return EmoSet(EmoSetConfig.model_validate({"root": root, **params}), Context(LabelSet.of(labels)))


@pytest.mark.parametrize("columns", [3, 4])
def test_both_kinds_of_index_are_read(emoset: Write, columns: int) -> None:
    data = read(emoset(columns))
    assert data.problems() == []
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [40, 16, 16]
    first = data.split("train")[0]
    assert (first.id, first.label) == ("amusement_00001", 0)
    assert first.open()[0].size == (6, 6)


def test_attributes_are_typed_and_do_not_hold_the_label(emoset: Write) -> None:
    for mode in ("lazy", "eager"):
        attributes = read(emoset(name=mode), annotations=mode).split("val")[0].attributes
        assert (attributes["brightness"], attributes["colorfulness"]) == (0.2, 0.9)
        assert attributes["object"] == ["Ferris wheel", "Balloon"]
        assert "emotion" not in attributes
        assert dict(pickle.loads(pickle.dumps(attributes))) == dict(attributes)
    assert dict(read(emoset(name="none"), annotations="none").split("val")[0].attributes) == {}


def test_binary_labels_are_positive_and_negative(emoset: Write) -> None:
    root = emoset()
    labels = {s.id.split("_")[0]: s.label for s in read(root, "binary").split("train")}
    assert labels == {emotion: int(emotion in POSITIVE) for emotion in MIKELS_8}


def test_labels_follow_the_order_of_the_spec(emoset: Write) -> None:
    names = list(reversed(MIKELS_8))
    for sample in read(emoset(), names).split("test"):
        assert names[sample.label or 0] == sample.id.split("_")[0]


def test_labels_that_do_not_fit_are_refused(emoset: Write) -> None:
    data = read(emoset(), ["calm", "angry"])
    assert len(data.problems()) == 1
    assert "the spec's labels are calm, angry" in data.problems()[0]
    with pytest.raises(EmosymError, match="calm, angry"):
        data.split("train")


def test_a_limit_keeps_the_classes_in_proportion(emoset: Write) -> None:
    root = emoset()
    data = read(root, limit={"train": 16, "val": 8})
    assert Counter(sample.label for sample in data.split("train")) == dict.fromkeys(range(8), 2)
    assert (len(data.split("val")), len(data.split("test"))) == (8, 16)
    again = [s.id for s in read(root, limit=16).split("train")]
    assert again == [s.id for s in data.split("train")]
    assert again != [s.id for s in read(root, limit=16, subset_seed=1).split("train")]


def test_few_labels_hide_the_others_in_training_alone(emoset: Write) -> None:
    root = emoset()
    for params in ({"labelled": 16}, {"label_fraction": 0.4}):
        data = read(root, **params)
        train = data.split("train")
        assert Counter(s.label for s in train if s.label is not None) == dict.fromkeys(range(8), 2)
        assert len(train) == 40
        assert all(sample.label is not None for sample in data.split("val"))


def test_a_draw_may_follow_the_runs_seed(emoset: Write) -> None:
    root = emoset()

    def kept(seed: int, **params: Any) -> set[str]:
        config = EmoSetConfig(root=root, labelled=16, **params)
        train = EmoSet(config, Context(LabelSet.of("mikels-8"), seed=seed)).split("train")
        return {sample.id for sample in train if sample.label is not None}

    assert kept(1) == kept(2)
    assert kept(1, subset_seed=None) != kept(2, subset_seed=None)
    assert kept(1, subset_seed=None) == kept(9, subset_seed=1)


def test_more_labels_contain_the_fewer(emoset: Write) -> None:
    root = emoset()
    kept = [{s.id for s in read(root, labelled=n).split("train") if s.label is not None} for n in (8, 16, 24)]
    assert kept[0] < kept[1] < kept[2]


def test_a_hidden_label_does_not_show_in_the_reasoning(emoset: Write) -> None:
    for sample in read(emoset(), labelled=8).split("train"):
        emotion = sample.id.split("_")[0]
        expected = "so high" if sample.label is None else f"it makes one feel {emotion}"
        assert sample.attributes["reasoning"] == expected


def test_two_ways_to_count_labels_are_refused() -> None:
    with pytest.raises(ValidationError, match="not both"):
        EmoSetConfig(root=Path("x"), labelled=3, label_fraction=0.5)


def rewrite(root: Path, split: str, change: Callable[[list[Any]], None]) -> None:
    file = root / f"{split}.json"
    rows = json.loads(file.read_text())
    change(rows)
    file.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def test_every_problem_is_listed_at_once(emoset: Write) -> None:
    root = emoset()
    (root / "info.json").unlink()
    (root / "image/awe/awe_00002.jpg").unlink()
    (root / "annotation/fear/fear_00006.json").unlink()
    (root / "test.json").write_text('[\n["awe",\n')
    rewrite(root, "train", lambda rows: rows[2].pop())
    rewrite(root, "train", lambda rows: rows[3].__setitem__(0, "amusment"))
    rewrite(root, "train", lambda rows: rows.append(rows[0]))
    rewrite(root, "val", lambda rows: rows.append(json.loads((root / "train.json").read_text())[1]))
    rewrite(root, "val", lambda rows: rows.append(["awe", "../../etc/x.jpg", "annotation/x.json"]))
    problems = "\n".join(read(root).problems())
    for expected in (
        f"{root}/info.json: no such file",
        f"{root}/train.json:4: row 3: 2 columns; 3 (emotion, image, annotation)",
        f"{root}/train.json:5: row 4: unknown emotion 'amusment'; did you mean \"amusement\"?",
        f"{root}/train.json: image/amusement/amusement_00001.jpg is listed twice",
        f"{root}/val.json: image/amusement/amusement_00002.jpg is also in train.json",
        f"{root}/val.json:19: row 18: a path leaves the folder",
        f"{root}/image/awe/awe_00002.jpg: no such image, named in train.json",
        f"{root}/annotation/fear/fear_00006.json: no such annotation, named in val.json",
        f"{root}/test.json:3:1: not JSON",
    ):
        assert expected in problems
    assert len(problems.splitlines()) == 9
    with pytest.raises(EmosymError, match=r"train.json:4: row 3") as caught:
        read(root).split("train")
    assert caught.value.id == "data.unsound"


def test_many_of_a_kind_are_counted(emoset: Write) -> None:
    root = emoset()
    shutil.rmtree(root / "image")
    lines = read(root).problems()
    assert sum("no such image" in line for line in lines) == 12
    assert lines[-1] == "... and 60 more: missing image"


def test_a_missing_root_is_one_problem(tmp_path: Path) -> None:
    assert len(read(tmp_path / "nowhere").problems()) == 1


def test_an_emotion_without_images_is_a_problem(emoset: Write) -> None:
    root = emoset()
    rewrite(
        root, "train", lambda rows: rows.__setitem__(slice(None), [row for row in rows if row[0] != "fear"])
    )
    assert read(root).problems() == [f"{root}/train.json: no image of fear; every emotion needs some"]


def test_verify_opens_the_pictures_and_compares_their_contents(emoset: Write) -> None:
    root = emoset()
    (root / "image/awe/awe_00002.jpg").write_bytes(b"no picture")
    (problem,) = read(root).problems()
    assert "awe_00002.jpg: not a readable image (no JPEG, PNG" in problem
    shutil.copy(root / "image/awe/awe_00001.jpg", root / "image/awe/awe_00002.jpg")
    cut = root / "image/awe/awe_00001.jpg"
    cut.write_bytes(cut.read_bytes()[:-40])
    shutil.copy(root / "image/fear/fear_00001.jpg", root / "image/fear/fear_00009.jpg")
    assert read(root).problems() == []
    problems = read(root, verify=True).problems()
    assert len(problems) == 2
    assert "awe_00001.jpg: not a readable image (image file is truncated" in problems[0]
    assert "fear_00009.jpg (test): the same picture as image/fear/fear_00001.jpg (train)" in problems[1]


def test_a_broken_annotation_is_named_when_it_is_read(emoset: Write) -> None:
    root = emoset()
    (root / "annotation/amusement/amusement_00001.json").write_text("{")
    sample = read(root).split("train")[0]
    with pytest.raises(EmosymError, match=r"amusement_00001\.json: cannot be read"):
        sample.attributes["scene"]


def test_a_picture_that_cannot_be_read_is_left_out_where_the_spec_says_so(
    emoset: Write, caplog: pytest.LogCaptureFixture
) -> None:
    root = emoset()
    (root / "image/awe/awe_00002.jpg").write_bytes(b"no picture")
    data = read(root, on_bad_image="skip")
    assert data.problems() == []
    whole = sum(len(json.loads((root / f"{split}.json").read_text())) for split in ("train", "val", "test"))
    assert sum(len(data.split(split)) for split in ("train", "val", "test")) == whole - 1
    skipped = data.facts()["skipped"]
    assert skipped["count"] == 1
    assert "awe_00002.jpg: not a readable image" in skipped["pictures"]["awe_00002"]
    assert "pictures cannot be read and are left out: awe_00002" in caplog.text
    assert "skipped" not in read(root).facts()


def test_a_split_that_is_empty_is_found_before_a_run(emoset: Write) -> None:
    root = emoset()
    rewrite(root, "val", lambda rows: rows.clear())
    assert f"{root}: val has no pictures" in "\n".join(read(root).problems())


def test_a_flat_label_map_and_a_byte_order_mark_are_read(emoset: Write) -> None:
    root = emoset()
    info = json.loads((root / "info.json").read_text())["emotion"]
    (root / "info.json").write_text("\ufeff" + json.dumps(info), encoding="utf-8")
    (root / "val.json").write_text("\ufeff" + (root / "val.json").read_text(), encoding="utf-8")
    assert read(root).problems() == []


@pytest.mark.reference
def test_the_real_index_is_read() -> None:
    folder = os.environ.get("EMOSYM_REFERENCE_DIR")
    if not folder:
        pytest.skip("EMOSYM_REFERENCE_DIR is not set")
    root = Path(folder) / "emoset"
    findings = Findings()
    emotions = read_emotions(root, findings)
    rows = read_index(root / "val.json", emotions, findings)
    assert not findings
    assert emotions == MIKELS_8
    assert len(rows) == 5905
    assert rows[0].id == "amusement_03317"
    assert {row.emotion for row in rows} == set(MIKELS_8)
    assert all(row.image.startswith(f"image/{row.emotion}/") for row in rows)
