from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Command


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder in EmoSet's layout, written by the command itself."""
    from emosym.cli import main

    folder = tmp_path_factory.mktemp("data") / "world"
    assert (
        main(["data", "make", str(folder), "--train", "96", "--val", "8", "--test", "8", "--workers", "1"])
        == 0
    )
    return folder


def test_a_folder_that_was_made_is_sound(emosym: Command, world: Path) -> None:
    checked = emosym("data", "check", "--folder", world)
    assert checked.status == 0
    assert f"ok: {world} (emoset): train 96, val 8, test 8" in checked.out


def test_folders_by_emotion_are_recognised(emosym: Command, world: Path) -> None:
    checked = emosym("data", "check", "--folder", world / "image")
    assert checked.status == 0
    assert "(image-folder)" in checked.out


def test_every_problem_of_a_broken_folder_is_listed(emosym: Command, world: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(world, tmp_path / "broken")
    missing = json.loads((broken / "train.json").read_text())[:3]
    for row in missing:
        (broken / row[-2]).unlink()
    (broken / "val.json").write_text("[[")
    checked = emosym("data", "check", "--folder", broken)
    assert checked.status == 2
    for row in missing:
        assert Path(row[-2]).name in checked.err
    assert "val.json" in checked.err
    assert checked.out == ""


def test_labels_other_than_mikels_can_be_checked(emosym: Command, tmp_path: Path) -> None:
    for name in ("calm", "tense"):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    assert emosym("data", "check", "--folder", tmp_path, "--labels", "calm,tense").status == 0
    wrong = emosym("data", "check", "--folder", tmp_path, "--labels", "mikels-8")
    assert (wrong.status, "unknown emotion 'calm'" in wrong.err) == (2, True)


def test_emotions_are_called_as_the_folders_are_where_nobody_names_them(
    emosym: Command, tmp_path: Path
) -> None:
    for name in ("calm", "tense"):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    checked = emosym("data", "check", "--folder", tmp_path)
    assert checked.status == 0
    assert f"looking at {tmp_path}, for the emotions of its folders: calm, tense\n" in checked.err
    assert "train: calm 8, tense 8" in checked.out


def test_pictures_without_folders_are_told(emosym: Command, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    checked = emosym("data", "check", "--folder", tmp_path)
    assert (checked.status, "no pictures of amusement" in checked.err) == (2, True)


def test_a_spec_of_which_the_measured_part_has_no_label_is_refused(emosym: Command, tmp_path: Path) -> None:
    """A run would notice after its first stage."""
    lines = []
    for number in range(12):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
        split, label = ("train", "val", "test")[number // 4], ("awe", "fear")[number % 2]
        line = {"split": split, "label": None if split == "test" else label, "image": f"{number}.png"}
        lines.append(json.dumps(line))
    (tmp_path / "index.jsonl").write_text("\n".join(lines))
    spec = tmp_path / "own.yaml"
    spec.write_text(
        "emosym: 1\nextends: preset:tiny\nknowledge: null\ntext_encoder: null\n"
        "labels: {awe: positive, fear: negative}\nrewards: [label]\nmetrics: [accuracy]\njudges: null\n"
        f"data: {{name: index, params: {{path: {tmp_path / 'index.jsonl'}}}}}\n"
    )
    checked = emosym("data", "check", spec)
    assert (checked.status, "none of its images has a label" in checked.err) == (2, True)
    assert emosym("data", "check", spec, "--set", "evaluation.split=val").status == 0


def test_an_index_holds_what_can_be_read(emosym: Command, world: Path, tmp_path: Path) -> None:
    folder, index = shutil.copytree(world / "image", tmp_path / "image"), tmp_path / "clean.jsonl"
    checked = emosym("data", "check", "--folder", folder, "--index", index)
    assert (checked.status, f"index: {index}\n" in checked.out) == (0, True)
    whole = [json.loads(line) for line in index.read_text().splitlines()]
    words = ("--set", "data.name=index", "--set", f"data.params={{path: {index}, root: null}}")
    words += ("--set", "knowledge=null", "--set", "text_encoder=null")
    again = emosym("data", "check", "preset:tiny", *words)
    assert again.status == 0, again.err
    assert "ok: index: train " in again.out
    assert len(whole) == 112
    assert {row["split"] for row in whole} == {"train", "val", "test"}
    broken = Path(whole[0]["image"])
    broken.write_bytes(b"no picture")
    checked = emosym("data", "check", "--folder", folder, "--index", index)
    assert checked.status == 2
    assert str(broken) in checked.err
    assert f"index: {index}, without 1 that cannot be read" in checked.out
    assert [json.loads(line) for line in index.read_text().splitlines()] == whole[1:]
