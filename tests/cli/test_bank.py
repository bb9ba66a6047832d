"""``emosym bank``: what a bank holds and why, by its contract alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from emosym_data.config import IndexConfig
from emosym_data.index import IndexFile
from emosym_registry import load_registry
from PIL import Image

from emosym.assembly import Builder
from emosym.contracts import MIKELS_8, Candidate, Context, Generated, LabelSet, MemoryBank, Sample
from emosym.experiment.folder import RunFolder
from emosym.experiment.lock import locked
from emosym.spec import load_spec
from emosym.testing import picture
from emosym.toolkit import write_json

from .conftest import Command, install

ORIGINALS = [Sample(f"o{i:02d}", (Path(f"{i}.png"),), i % 8) for i in range(80)]
CONFIDENCES = {one.id: 0.2 + i / 200 for i, one in enumerate(ORIGINALS)}
PLAIN = """
from collections.abc import Iterable
from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl
from emosym.contracts import MemoryBank
from emosym_memory import SqlBank, SqlConfig


class PlainBank(MemoryBank):
    '''Somebody's bank, with what the contract asks for and nothing that it offers.'''

    def __init__(self, config, context):
        super().__init__(config, context)
        self.kept = SqlBank(config, context)

    def refresh(self, *given): return self.kept.refresh(*given)
    def reset(self): self.kept.reset()
    def view(self, originals): return self.kept.view(originals)
    def ledger(self): return self.kept.ledger()
    def snapshot(self): return self.kept.snapshot()
    def restore(self, snapshot): self.kept.restore(snapshot)
    def rollback(self, reason): self.kept.rollback(reason)
    def close(self): self.kept.close()


@hookimpl
def emosym_plugin_info(): return PluginInfo("plain", API_VERSION, "a bank")


@hookimpl
def emosym_components():
    yield ComponentSpec("memory", "plain", f"{__name__}:PlainBank", "emosym_memory:SqlConfig", "a bank", capabilities=("durable",))
"""


def offered(step: int, labels: tuple[int, ...]) -> list[Candidate]:
    """Good images, better at later steps, far from one another."""
    made = []
    for i, label in enumerate(labels):
        seed = 100 * step + i
        generated = Generated(picture(seed, (16, 16)), label, seed, "a picture of {emotion}", {"steps": 4})
        features = tuple(10.0 * (place == seed % 32) for place in range(32))
        made.append(Candidate(generated, {"model": 0.6 + step / 100 + i / 1000}, features, f"weights-{step}"))
    return made


def filled(run: Path, *sets: str, finished: bool = True) -> Path:
    """A run folder whose bank was refreshed at steps 10 and 20."""
    registry = load_registry()
    resolved = load_spec("preset:tiny", registry=registry, sets=("memory.params.fraction=0.2", *sets))
    folder = RunFolder(run)
    run.mkdir(parents=True)
    write_json(folder.identity, {"id": run.name, "smoke": False})
    resolved.save(run, qualified=True)
    if finished:
        (run / "checkpoints").mkdir()
        folder.mark_done("unify", {"steps": 30})
    builder = Builder.of(
        resolved, registry, run=run, run_id=folder.id, device=torch.device("cpu"), precision="fp32"
    )
    bank: MemoryBank = builder.build("memory")
    bank.view(ORIGINALS)
    bank.refresh(10, offered(10, (0, 1, 6)), CONFIDENCES)
    bank.refresh(20, offered(20, (1, 6)), CONFIDENCES)
    bank.close()
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return filled(tmp_path / "run")


@pytest.fixture
def shown(emosym: Command) -> Callable[[Path], list[dict]]:
    def shown(run: Path, *words: str) -> list[dict]:
        return json.loads(emosym("bank", "show", run, "--json", *words).out)["images"]

    return shown


def test_show_lists_images_by_emotion_age_and_score(run: Path, emosym: Command) -> None:
    plain = emosym("bank", "show", run)
    assert plain.status == 0, plain.err
    head, *rows, last = plain.out.splitlines()
    assert head.split() == ["image", "emotion", "age", "model", "step", "seed", "prompt"]
    assert [row.split()[1:4] for row in rows] == [
        ["amusement", "1", "0.700"], ["awe", "1", "0.701"], ["awe", "0", "0.800"], ["fear", "1", "0.702"], ["fear", "0", "0.801"],
    ]  # fmt: skip
    assert last == "5 images in place of originals"
    oldest = emosym("bank", "show", run, "--sort", "age", "--emotion", "Awe").out.splitlines()[1:-1]
    assert [row.split()[2] for row in oldest] == ["1", "0"]
    worst = emosym("bank", "show", run, "--sort", "score").out.splitlines()[1:-1]
    assert [row.split()[3] for row in worst] == ["0.700", "0.701", "0.702", "0.800", "0.801"]
    assert emosym("bank", "show", run, "--sort", "size").status == 2
    assert 'did you mean "awe"' in emosym("bank", "show", run, "--emotion", "aw").err


def test_the_ledger_is_shown_as_it_is_and_by_action_and_image(
    run: Path, emosym: Command, shown: Callable
) -> None:
    image = shown(run)[0]["image"]
    every = json.loads(emosym("bank", "ledger", run, "--json").out)
    assert [line["action"] for line in every] == [
        "refresh",
        *["replace", "admit"] * 3,
        "refresh",
        *["replace", "admit"] * 2,
    ]
    (own,) = json.loads(emosym("bank", "ledger", run, "--json", "--entry", image).out)
    assert (own["detail"]["seed"], own["detail"]["generator"]) == (1000, "weights-10")
    text = emosym("bank", "ledger", run, "--action", "replace").out.splitlines()
    assert len(text) == 6
    assert text[1].split()[:5] == ["2", "10", "replace", "o00", "amusement"]


def test_an_image_is_masked_and_brought_back_with_reasons(
    run: Path, emosym: Command, shown: Callable
) -> None:
    image = shown(run)[0]["image"]
    done = emosym("bank", "mask", run, image.rpartition("/")[2], "--reason", "a watermark", "--quiet")
    assert (done.status, done.err) == (0, "")
    assert [one["masked"] for one in shown(run)] == [True, False, False, False, False]
    assert emosym("bank", "show", run).out.endswith("5 images in place of originals, 1 masked by hand\n")
    again = emosym("bank", "mask", run, image)
    assert (again.status, "is masked already" in again.err) == (2, True)
    assert emosym("bank", "restore", run, image, "--reason", "it is none").status == 0
    lines = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
    assert [(line["action"], line["reason"]) for line in lines[-2:]] == [
        ("mask", "a watermark"),
        ("unmask", "it is none"),
    ]
    missing = emosym("bank", "mask", run, image[:-1])
    assert (missing.status, f'did you mean "{image}"' in missing.err) == (2, True)


def test_refreshes_are_rolled_back_from_the_last(run: Path, emosym: Command, shown: Callable) -> None:
    unknown = emosym("bank", "rollback", run, 15)
    assert (unknown.status, "in effect: 10, 20" in unknown.err) == (2, True)
    last = emosym("bank", "rollback", run, "--reason", "blurred")
    assert last.out == "the refresh of step 20 is undone\n3 images left in the training set\n"
    assert {one["step"] for one in shown(run)} == {10}
    assert emosym("bank", "rollback", run, 10).out.startswith("the refresh of step 10 is undone\n0 images")
    assert "no refresh is in effect" in emosym("bank", "rollback", run).err
    reasons = [
        line["reason"]
        for line in json.loads(emosym("bank", "ledger", run, "--json", "--action", "rollback").out)
    ]
    assert reasons == ["blurred", "by hand"]


def test_several_refreshes_are_rolled_back_at_once(run: Path, emosym: Command) -> None:
    done = emosym("bank", "rollback", run, 10)
    assert done.out.splitlines()[:2] == [
        "the refresh of step 20 is undone",
        "the refresh of step 10 is undone",
    ]


def test_the_ledger_is_replayed_to_any_line_and_held_against_the_bank(
    run: Path, emosym: Command, shown: Callable
) -> None:
    whole = emosym("bank", "replay", run)
    assert whole.out.splitlines()[-2:] == [
        "5 images; refreshes in effect, by step: 10, 20",
        "the bank shows what its ledger says",
    ]
    early = json.loads(emosym("bank", "replay", run, "--until", 7, "--json").out)
    assert (early["refreshes"], len(early["images"])) == ([10], 3)
    assert [one["age"] for one in early["images"]] == [0, 0, 0]
    with sqlite3.connect(run / "bank.db") as connection:  # as somebody with a database browser does
        connection.execute("DELETE FROM entries WHERE label = 0")
    connection.close()
    broken = emosym("bank", "replay", run)
    assert broken.status == 2
    assert "not what its ledger says" in broken.err


def test_an_export_is_data_that_a_run_can_read(
    run: Path, emosym: Command, shown: Callable, tmp_path: Path
) -> None:
    emosym("bank", "mask", run, shown(run)[0]["image"])
    done = emosym("bank", "export", run, tmp_path / "out")
    assert (done.status, done.out) == (0, f"4 images and index.jsonl in {tmp_path / 'out'}\n")
    lines = [json.loads(line) for line in (tmp_path / "out" / "index.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == ["awe", "fear", "awe", "fear"]
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {line["image"] for line in lines}
    assert Image.open(tmp_path / "out" / lines[0]["image"]).tobytes() == picture(1001, (16, 16)).tobytes()
    context = Context(LabelSet.of("mikels-8"), kind="dataset", component="index")
    read = IndexFile(IndexConfig(path=tmp_path / "out" / "index.jsonl"), context).split("train")
    assert [(one.id, one.label) for one in read] == [
        (line["id"], MIKELS_8.index(line["label"])) for line in lines
    ]
    assert read[0].open()[0].size == (16, 16)
    again = emosym("bank", "export", run, tmp_path / "out")
    assert (again.status, "is not empty" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (("memory=null", "stages.unify.refresh=null"), "this run has no memory bank"),
        (("memory.name=in-memory",), "went with the process of its run"),
    ],
)
def test_a_run_without_a_bank_that_lasts_says_so(
    tmp_path: Path, emosym: Command, sets: tuple[str, ...], message: str
) -> None:
    folder, registry = tmp_path / "run", load_registry()
    folder.mkdir()
    write_json(folder / "run.json", {"id": "a", "smoke": False})
    load_spec("preset:tiny", registry=registry, sets=sets).save(folder, qualified=True)
    failed = emosym("bank", "show", folder)
    assert (failed.status, message in failed.err) == (2, True)
    assert not (folder / "bank.db").exists()


def test_a_bank_that_nothing_has_filled_is_not_made(tmp_path: Path, emosym: Command) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write_json(folder / "run.json", {"id": "a", "smoke": False})
    load_spec("preset:tiny", registry=load_registry()).save(folder, qualified=True)
    failed = emosym("bank", "show", folder)
    assert (failed.status, "has not begun" in failed.err) == (2, True)
    assert not (folder / "bank.db").exists()
    assert "no such folder" in emosym("bank", "ledger", tmp_path / "nowhere").err
    assert "no run" in emosym("bank", "ledger", tmp_path).err


def test_a_run_at_work_is_looked_at_and_not_changed(run: Path, emosym: Command, shown: Callable) -> None:
    with locked(run):
        assert len(shown(run)) == 5
        refused = emosym("bank", "rollback", run)
    assert refused.status == 2
    assert "is in use by process" in refused.err
    assert len(shown(run)) == 5


def test_a_change_to_a_run_that_is_not_done_is_said_to_pass(tmp_path: Path, emosym: Command) -> None:
    run = filled(tmp_path / "run", finished=False)
    step = run / "checkpoints" / "unify-00000020"
    step.mkdir(parents=True)
    done = emosym("bank", "rollback", run)
    assert done.status == 0, done.err
    assert "returns to the last checkpoint" in done.err


def test_somebody_elses_bank_is_shown_and_rolled_back_and_says_what_it_cannot(
    tmp_path: Path, emosym: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", "plain", PLAIN)))
    run = filled(tmp_path / "run", "memory.name=plain")
    assert len(json.loads(emosym("bank", "show", run, "--json").out)["images"]) == 5
    assert "refreshes in effect, by step: 10, 20" in emosym("bank", "replay", run).out
    assert "the refresh of step 20 is undone" in emosym("bank", "rollback", run).out
    image = json.loads(emosym("bank", "show", run, "--json").out)["images"][0]["image"]
    for words in (("mask", run, image), ("export", run, tmp_path / "out")):
        refused = emosym("bank", *words)
        assert refused.status == 2
        assert "bank plain" in refused.err
    assert not (tmp_path / "out").exists()
