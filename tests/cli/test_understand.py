"""``emosym understand`` over files and folders, with an untrained system of the embedded example."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet
import pytest
import torch
from emosym_registry import EmosymError, load_registry
from PIL import Image

from emosym.assembly import Builder
from emosym.cli import pictures
from emosym.cli.pictures import find, read
from emosym.contracts import sample as samples
from emosym.contracts.reading import EMBEDDED
from emosym.reasons import KnowledgeIndex
from emosym.spec import load_spec
from emosym.system import System

from .conftest import Command

GOOD = ["a.jpg", "B.PNG", "c/d.webp", "c/e/f.gif", "z.tiff"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return System.new("preset:tiny", device="cpu").save(tmp_path_factory.mktemp("system") / "system")


def picture(path: Path, shade: int = 0, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.linear_gradient("L").resize(size).point(lambda value: (value + shade) % 256)
    image.convert("RGB").save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five sound pictures, and much beside them that is none."""
    root = tmp_path / "photos"
    for number, name in enumerate(GOOD):
        picture(root / name, 40 * number)
    picture(root / ".hidden.jpg")
    picture(root / ".cache" / "hidden.jpg")
    (root / "notes.txt").write_text("no picture")
    (root / "folder.jpg").mkdir()
    os.mkfifo(root / "pipe.jpg")
    (root / "c" / "round").symlink_to(root, target_is_directory=True)
    return root


@pytest.fixture
def spoilt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Five more in the folder that nobody can read: the paths."""
    whole = (folder / "a.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").touch()
    (folder / "c" / "text.jpg").write_text("no picture")
    (folder / "gone.jpg").symlink_to("nowhere")
    monkeypatch.setattr(samples, "MOST_PIXELS", 10_000)
    picture(folder / "huge.png", size=(400, 300))
    return [str(folder / name) for name in ("c/text.jpg", "cut.jpg", "empty.png", "gone.jpg", "huge.png")]


def test_a_folder_is_read_in_order_without_what_is_hidden_or_no_picture(
    folder: Path, system: Path, emosym: Command
) -> None:
    words = ("--system", system, "--json", "--batch-size", "2", "--device", "cpu", "--quiet")
    done = emosym("understand", folder, *words)
    assert (done.status, done.err) == (0, "")
    assert [one["image"] for one in json.loads(done.out)] == sorted(str(folder / name) for name in GOOD)
    files = sorted(folder / name for name in GOOD)
    named = emosym("understand", *files, "--system", system, "--json", "--batch-size", "2", "--device", "cpu")
    assert named.out == done.out


def test_bad_pictures_of_a_folder_are_left_out_and_listed(
    folder: Path, spoilt: list[str], system: Path, emosym: Command
) -> None:
    alone = picture(folder.parent / "alone.jpg", 7)
    done = emosym("understand", alone, folder, "--system", system, "--json", "--device", "cpu", "--quiet")
    assert done.status == 0
    read_ones = [one["image"] for one in json.loads(done.out)]
    assert read_ones == [str(alone), *sorted(str(folder / name) for name in GOOD)]
    head, *lines = done.err.splitlines()
    assert head == "warning: left out what cannot be read (5):"
    assert [line.split(": ")[0].strip() for line in lines] == spoilt
    for line, why in zip(
        lines, ("no JPEG", "not a readable", "not a readable", "no such file", "pixels"), strict=True
    ):
        assert why in line


def test_a_named_file_that_is_bad_is_an_error_before_a_system_is_looked_for(
    folder: Path, spoilt: list[str], emosym: Command
) -> None:
    out = folder.parent / "out.csv"
    refused = emosym("understand", folder, spoilt[1], "--system", "nowhere", "--out", out)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith(f"error: {spoilt[1]}: not a readable image")
    assert not out.exists()


def test_folders_without_pictures_are_one_error(folder: Path, tmp_path: Path, emosym: Command) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        picture(tmp_path / name / ".hidden.png")
    refused = emosym("understand", tmp_path / "one", "--system", "nowhere")
    assert refused.status == 2
    assert refused.err.startswith(f"error: {tmp_path / 'one'}: no picture in this folder or below it\n")
    refused = emosym("understand", tmp_path / "one", folder, tmp_path / "two", "--system", "nowhere")
    assert refused.err.count("no picture in this folder") == 2


def test_where_no_picture_is_sound_nothing_is_written(
    folder: Path, spoilt: list[str], system: Path, emosym: Command
) -> None:
    for name in GOOD:
        (folder / name).unlink()
    out = folder.parent / "readings.jsonl"
    refused = emosym("understand", folder, "--system", system, "--out", out, "--device", "cpu", "--quiet")
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("error: not one of these pictures can be read:\n")
    assert all(path in refused.err for path in spoilt)
    assert list(folder.parent.iterdir()) == [folder]


def test_the_files_hold_what_json_shows(
    folder: Path, spoilt: list[str], system: Path, emosym: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emosym.cli.readings.ROWS", 2)
    words = ("understand", folder, "--system", system, "--device", "cpu", "--quiet")
    shown = json.loads(emosym(*words, "--json").out)
    made = {}
    for end in ("jsonl", "csv", "parquet"):
        out = folder.parent / "new" / f"readings.{end}"
        done = emosym(*words, "--out", out)
        assert (done.status, done.out) == (0, f"{out}: 5 readings\n")
        assert done.err.startswith("warning: left out")
        made[end] = out
    assert [json.loads(line) for line in made["jsonl"].read_text().splitlines()] == shown
    with made["csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = pyarrow.parquet.read_table(made["parquet"]).to_pylist()
    for one, row, other in zip(shown, rows, table, strict=True):
        assert one["image"] == row["image"] == other["image"]
        assert one["emotion"] == row["emotion"] == other["emotion"]
        assert (
            one["positive"]
            == pytest.approx(float(row["positive"]), abs=1e-6)
            == pytest.approx(other["positive"])
        )
        assert (
            list(row)
            == list(other)
            == ["image", "emotion", "positive", *(f"probability/{k}" for k in one["probabilities"])]
        )
        for name, value in one["probabilities"].items():
            assert value == pytest.approx(float(row[f"probability/{name}"]), abs=1e-6)
            assert float(row[f"probability/{name}"]) == other[f"probability/{name}"]
    both = emosym(*words, "--out", made["csv"], "--json")
    assert json.loads(both.out) == shown
    assert sorted(path.name for path in made["csv"].parent.iterdir()) == [
        f"readings.{end}" for end in ("csv", "jsonl", "parquet")
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("readings.txt", "readings are written as .jsonl, .csv, .parquet"),
        ("readings", "readings are written as"),
        ("photos/folder.csv", "it is a folder"),
        ("photos/a.jpg/x.csv", "a file, where a folder is wanted"),
    ],
)
def test_an_out_that_cannot_be_is_said_before_a_picture_is_opened(
    name: str, said: str, folder: Path, emosym: Command
) -> None:
    (folder / "folder.csv").mkdir()
    refused = emosym("understand", "nothing.jpg", "--system", "nowhere", "--out", folder.parent / name)
    assert (refused.status, refused.out) == (2, "")
    assert said in refused.err
    assert "nothing.jpg" not in refused.err


@pytest.fixture(scope="module")
def explaining(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system that keeps knowledge and projects into its space, trained by nobody."""
    spec, registry = "preset:tiny", load_registry()
    builder = Builder.of(
        load_spec(spec, registry=registry), registry, device=torch.device("cpu"), precision="fp32"
    )
    encoder = builder.build("text_encoder")
    system = System.assemble(builder, text_width=encoder.width)
    system.knowledge = KnowledgeIndex.of(["a ghost", "a clown at a fair", "a kitten"], encoder, 0)
    return system.save(tmp_path_factory.mktemp("explaining") / "system")


def test_why_adds_the_nearest_knowledge_to_every_form(
    folder: Path, explaining: Path, emosym: Command
) -> None:
    words = ("understand", folder, "--system", explaining, "--device", "cpu")
    plain = json.loads(emosym(*words, "--json").out)
    shown = json.loads(emosym(*words, "--json", "--reasons", "2").out)
    for without, one in zip(plain, shown, strict=True):
        first, second = one.pop("reasons")
        assert one == without
        assert first["similarity"] >= second["similarity"]
        assert {first["text"], second["text"]} < {"a ghost", "a clown at a fair", "a kitten"}
    table = emosym(*words, "--why").out.splitlines()
    assert table[0].split()[-2:] == ["cosine", "why"]
    assert len(table) == 1 + 3 * len(GOOD)
    shown = json.loads(emosym(*words, "--json", "--why").out)
    assert [line.rpartition("  ")[2] for line in table[1:]] == [
        reason["text"] for one in shown for reason in one["reasons"]
    ]
    for end in ("csv", "parquet"):
        out = folder.parent / f"why.{end}"
        assert emosym(*words, "--why", "--out", out).status == 0
        if end == "csv":
            with out.open(newline="") as file:
                rows = list(csv.DictReader(file))
        else:
            rows = pyarrow.parquet.read_table(out).to_pylist()
        for row, one in zip(rows, shown, strict=True):
            assert list(row)[-6:] == [
                f"{column}/{number}" for number in (1, 2, 3) for column in ("reason", "similarity")
            ]
            for number, reason in enumerate(one["reasons"], start=1):
                assert row[f"reason/{number}"] == reason["text"]
                assert float(row[f"similarity/{number}"]) == pytest.approx(reason["similarity"], abs=1e-6)


def test_a_system_without_knowledge_says_so_before_anything_is_read(
    folder: Path, system: Path, emosym: Command
) -> None:
    out = folder.parent / "readings.csv"
    refused = emosym(
        "understand", folder, "--system", system, "--why", "--out", out, "--device", "cpu", "--quiet"
    )
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("error: this system keeps no knowledge that could say why")
    assert not out.exists()


def test_what_was_written_before_stays_where_a_reading_fails(
    folder: Path, system: Path, emosym: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = folder.parent / "readings.csv"
    out.write_text("before")
    stopped = System.understand

    def understand(self: System, images: list, batch_size: int, why: int) -> list:
        if any("z.tiff" in image.id for image in images):
            raise KeyboardInterrupt
        return stopped(self, images, batch_size, why=why)

    monkeypatch.setattr(System, "understand", understand)
    words = ("--system", system, "--out", out, "--batch-size", "1", "--device", "cpu")
    assert emosym("understand", folder, *words).status == 130
    assert out.read_text() == "before"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["photos", "readings.csv"]


def test_a_picture_that_the_system_cannot_take_does_not_stop_its_batch(folder: Path, system: Path) -> None:
    loaded = System.load(system, generate=False, device="cpu")
    whole = {found.path: reading for found, reading in read(loaded, find([folder]).pictures, 8)}
    picture(folder / "line.png", size=(1, 3000))
    for path in (folder, folder / "line.png"):
        outcomes = read(loaded, find([path]).pictures, 8)
        if path == folder:
            said = {found.path: reading for found, reading in outcomes}
            assert isinstance(said.pop(folder / "line.png"), EmosymError)
            assert said.keys() == whole.keys()
            for name, reading in said.items():
                assert reading.probabilities == pytest.approx(whole[name].probabilities, abs=1e-5)
        else:
            with pytest.raises(EmosymError, match="line.png"):
                list(outcomes)


def test_pictures_are_opened_once_and_never_all_together(
    folder: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    look = samples.Image.open
    monkeypatch.setattr(
        samples.Image, "open", lambda path, **more: opened.append(str(path)) or look(path, **more)
    )
    loaded = System.load(system, generate=False, device="cpu")
    named = sorted(folder / name for name in GOOD)
    assert len(list(read(loaded, find(named).pictures, 2))) == 5
    assert opened == [str(path) for path in named]
    opened.clear()
    found = find([folder])
    assert opened == []
    reading = read(loaded, found.pictures, 2)
    for number in range(1, 6):
        next(reading)
        assert len(opened) == min(2 * ((number + 1) // 2), 5)
    opened.clear()
    monkeypatch.setattr(pictures, "KEPT", 2 * 40 * 30)
    kept = find(named).pictures
    assert [picture.image is not None for picture in kept] == [True, True, False, False, False]
    assert len(list(read(loaded, kept, 2))) == 5
    assert len(opened) == 5 + 3


def test_embedded_models_are_no_judges_of_photographs_which_is_said_once(
    folder: Path, system: Path, emosym: Command
) -> None:
    words = ("understand", folder, "--system", system, "--device", "cpu", "--batch-size", "1")
    for more in ((), ("--json",), ("--out", folder.parent / "readings.csv")):
        done = emosym(*words, *more)
        assert done.status == 0
        assert done.err.count(EMBEDDED) == 1
        assert EMBEDDED not in done.out
        assert emosym(*words, *more, "--quiet").err == ""


def test_a_name_that_is_no_text_is_still_read(folder: Path, system: Path, emosym: Command) -> None:
    shutil.copy(folder / "a.jpg", os.fsencode(folder / "name-") + b"\xff.jpg")
    for end in ("jsonl", "csv", "parquet"):
        done = emosym(
            "understand", folder, "--system", system, "--device", "cpu", "--out", folder.parent / f"out.{end}"
        )
        assert (done.status, done.out) == (0, f"{folder.parent / 'out'}.{end}: 6 readings\n")
    done = emosym("understand", folder, "--system", system, "--device", "cpu")
    assert "name-\ufffd.jpg" in done.out


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system that writes its reasons, in three words."""
    sets = (
        "reading=explicit",
        "stages.reinforce=null",
        "stages.unify=null",
        "memory=null",
        "reason_tokens=3",
    )
    folder = tmp_path_factory.mktemp("writer") / "system"
    return System.new("preset:tiny", sets=sets, device="cpu").save(folder)


def test_reasons_that_a_system_wrote_are_shown_and_written(
    emosym: Command, writer: Path, tmp_path: Path
) -> None:
    image = picture(tmp_path / "a.png")
    shown = emosym("understand", str(image), "--system", str(writer), "--json")
    (reading,) = json.loads(shown.out)
    assert reading["text"]
    assert reading["text"] in emosym("understand", str(image), "--system", str(writer)).out
    for name in ("out.csv", "out.parquet", "out.jsonl"):
        emosym("understand", str(image), "--system", str(writer), "--out", str(tmp_path / name))
    with (tmp_path / "out.csv").open(newline="") as lines:
        assert [row["text"] for row in csv.DictReader(lines)] == [reading["text"]]
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet")["text"].to_pylist() == [reading["text"]]
    assert json.loads((tmp_path / "out.jsonl").read_text())["text"] == reading["text"]
