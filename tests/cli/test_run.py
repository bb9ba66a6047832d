"""The verbs over one smoke run of the embedded example."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from ruamel.yaml import YAML

from emosym.cli.run import _say_if_crowded
from emosym.evaluation.evaluate import save_images
from emosym.predictions import read_predictions
from emosym.report.numbers import clock
from emosym.spec.text import block

from .conftest import Command, Outcome, install

CHEAP = ("--set", "data.params.train=96", "--set", "data.params.val=16", "--set", "data.params.test=32")


@pytest.fixture(scope="module")
def smoke(process: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOSYM_CACHE", str(folder / "cache"))
        done = process("run", "preset:tiny", "--smoke", "--device", "cpu", *CHEAP, folder=folder)
    assert done.status == 0, done.err
    return folder / "runs" / "tiny-smoke", done


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.linear_gradient("L").convert("RGB").resize((120, 90)).save(path)
    return path


@pytest.mark.parametrize(("busy", "threads", "said"), [(3.6, 4, 1), (0.4, 4, 0), (3.6, 1, 0)])
def test_a_run_on_a_crowded_machine_says_that_fewer_threads_are_faster(
    busy: float,
    threads: int,
    said: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "emosym.cli")
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("os.getloadavg", lambda: (busy, 0.0, 0.0))
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    _say_if_crowded()
    assert caplog.text.count("about 4 of 4 cores busy, and this run takes 4 threads") == said


def test_a_smoke_run_leaves_a_whole_run_folder(smoke: tuple[Path, Outcome]) -> None:
    run, done = smoke
    for name in (
        "spec.yaml",
        "provenance.json",
        "metrics.jsonl",
        "summary.json",
        "report.html",
        "system/system.json",
    ):
        assert (run / name).is_file(), name
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in steps] == [
        (stage, step) for stage in ("compress", "reinforce", "unify") for step in (1, 2)
    ]
    for shown in (
        "after compress",
        "after unify",
        "Bayes optimum",
        "Emo-A",
        "peak memory",
        "report: runs/tiny-smoke/report.html",
    ):
        assert shown in done.out


def test_the_log_the_tables_and_what_is_kept_give_a_stage_the_same_time(
    smoke: tuple[Path, Outcome],
) -> None:
    run, done = smoke
    seconds = json.loads((run / "summary.json").read_text())["seconds"]
    kept = json.loads((run / "checkpoints" / "progress.json").read_text())
    for stage in ("compress", "reinforce", "unify"):
        assert seconds[stage] == kept[stage]["seconds"]
        assert f"{stage}: done in {clock(seconds[stage])}, " in done.err
        assert re.search(rf"^after {stage} .* {clock(seconds[stage])}$", done.out, re.M)


def test_whatever_takes_longer_is_said_first(smoke: tuple[Path, Outcome]) -> None:
    _, done = smoke
    for said in (
        "loading torch and the models' libraries",
        "loading the models and the data",
        "compress: preparing",
        ", and measuring\n",
        "painting ",
        "saving the system",
        "writing the report",
    ):
        assert said in done.err, said


def test_the_summary_has_its_promised_shape(smoke: tuple[Path, Outcome]) -> None:
    summary = json.loads((smoke[0] / "summary.json").read_text())
    assert {"accuracy", "macro_f1", "bayes", "stages"} <= set(summary["understanding"])
    assert {"emo_a", "emo_a_real", "diversity", "diversity_real"} <= set(summary["generation"])
    assert {"compress", "reinforce", "unify", "evaluate", "total"} <= set(summary["seconds"])
    assert summary["peak_memory_bytes"] > 0


def test_what_a_run_and_a_stage_find_is_json_alone(
    emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path / "cache"))
    words = ("preset:tiny", "--smoke", "--device", "cpu", *CHEAP, "--set", "stages.reinforce=null")
    for verb, stages in (
        (("run", *words, "--set", "stages.unify=null", "--json"), {"compress", "evaluate", "total"}),
        (("train", *words, "--stage", "compress", "--json"), {"compress"}),
    ):
        found = json.loads(emosym(*verb).out)
        assert found["folder"] == "runs/tiny-smoke"
        assert stages <= set(found["seconds"])


def test_a_run_that_is_there_is_refused_without_resume(smoke: tuple[Path, Outcome], emosym: Command) -> None:
    before = {path: path.read_bytes() for path in smoke[0].rglob("*.json*")}
    refused = emosym("run", "preset:tiny", *CHEAP, "--out", smoke[0])
    assert refused.status == 2
    assert "--resume" in refused.err
    assert {path: path.read_bytes() for path in smoke[0].rglob("*.json*")} == before


def test_a_photo_is_read_as_a_table_and_as_json(
    smoke: tuple[Path, Outcome], photo: Path, emosym: Command
) -> None:
    table = emosym("understand", photo, "--system", smoke[0], "--device", "cpu")
    assert table.status == 0
    assert str(photo) in table.out
    reading = json.loads(emosym("understand", photo, "--system", smoke[0] / "system", "--json").out)[0]
    assert reading["image"] == str(photo)
    assert reading["emotion"] in reading["probabilities"]
    assert sum(reading["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert reading["emotion"] in table.out


def test_a_broken_plugin_costs_a_reading_one_line(
    smoke: tuple[Path, Outcome],
    photo: Path,
    emosym: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(install(tmp_path, "broken", "raise RuntimeError('out of order')")))
    read = emosym("understand", photo, "--system", smoke[0], "--device", "cpu")
    assert read.status == 0
    assert str(photo) in read.out
    warnings = [line for line in read.err.splitlines() if "broken" in line]
    assert len(warnings) == 1
    assert "failed at import: RuntimeError: out of order" in warnings[0]


def test_the_newest_run_that_was_trained_is_used_and_named(
    smoke: tuple[Path, Outcome], photo: Path, emosym: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(smoke[0], tmp_path / "runs" / "tiny-smoke")
    refused = emosym("understand", photo, "--json")
    assert (refused.status, "no saved system under runs" in refused.err) == (2, True)
    assert "a smoke run: --system runs/tiny-smoke" in refused.err
    trained = Path(shutil.copytree(smoke[0], tmp_path / "runs" / "trained"))
    identity = json.loads((trained / "run.json").read_text())
    (trained / "run.json").write_text(json.dumps({**identity, "smoke": False}))
    read = emosym("understand", photo, "--json")
    assert read.status == 0
    assert read.err.startswith("system: runs/trained/system")


def test_the_same_seed_gives_the_same_bytes_with_the_recipe_inside(
    smoke: tuple[Path, Outcome], emosym: Command, tmp_path: Path
) -> None:
    words = (
        "generate",
        "--emotion",
        "awe",
        "--prompt",
        "a {emotion} street",
        "--steps",
        "2",
        "--system",
        smoke[0],
    )
    first = emosym(*words, "-n", "2", "--seed", "3", "--out", tmp_path / "a")
    assert first.out.split() == [str(tmp_path / "a" / "awe-3.png"), str(tmp_path / "a" / "awe-4.png")]
    again = emosym(*words, "-n", "1", "--seed", "3", "--out", tmp_path / "b")
    digests = [
        hashlib.sha256(Path(out.split()[0]).read_bytes()).hexdigest() for out in (first.out, again.out)
    ]
    assert digests[0] == digests[1]
    with Image.open(tmp_path / "a" / "awe-4.png") as picture:
        recipe = json.loads(picture.text["emosym"])
    assert {"emotion": "awe", "prompt": "a {emotion} street", "seed": 4}.items() <= recipe.items()


@pytest.mark.parametrize("verb", ["run", "generate", "evaluate"])
@pytest.mark.parametrize("kind", ["a file", "a link that leads nowhere"])
def test_an_out_that_is_no_folder_is_said_before_any_work(
    verb: str, kind: str, smoke: tuple[Path, Outcome], emosym: Command, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.touch() if kind == "a file" else out.symlink_to("nowhere")
    words = {
        "run": ("preset:tiny", *CHEAP, "--set", "backbone.params.model=./no/such/model"),
        "generate": ("--emotion", "awe", "--system", tmp_path),
        "evaluate": (smoke[0], "--set", "backbone.params.model=./no/such/model"),
    }[verb]
    refused = emosym(verb, *words, "--out", out, "--quiet")
    assert refused.status == 2
    assert refused.err.startswith(f"error: {out}: {kind}, where a folder is wanted\n")
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", ["a link", "a folder"])
def test_a_run_that_fails_leaves_a_link_and_an_empty_folder_of_the_users(
    kind: str, emosym: Command, tmp_path: Path
) -> None:
    out, own = tmp_path / "out", tmp_path / "own"
    own.mkdir()
    out.symlink_to(own) if kind == "a link" else out.mkdir()
    refused = emosym(
        "run", "preset:tiny", *CHEAP, "--set", "backbone.params.model=./no/such/model", "--out", out
    )
    assert refused.status == 2
    assert "./no/such/model was looked for in" in refused.err
    assert (out.is_symlink(), out.is_dir(), list(own.iterdir())) == (kind == "a link", True, [])


def test_a_label_of_a_saved_system_never_leads_out_of_the_folder_given(
    smoke: tuple[Path, Outcome], emosym: Command, tmp_path: Path
) -> None:
    system = Path(shutil.copytree(smoke[0] / "system", tmp_path / "system"))
    labels = [str(tmp_path / "outside"), "../../up", "..", "a\\b", "joy/delight", "x" * 300, "new\nline", ""]
    spec = YAML(typ="safe", pure=True).load(system / "spec.yaml")
    (system / "spec.yaml").write_text(block(spec | {"labels": labels}))
    before = set(tmp_path.rglob("*"))
    out = tmp_path / "a" / "b" / "out"
    for wanted in (("--emotion", labels[0]), ("--mixture", "../../up=0.5,..=0.5")):
        words = ("--steps", 1, "--system", system, "--out", out, "--device", "cpu")
        assert emosym("generate", *wanted, *words).status == 0
    save_images([Image.new("RGB", (4, 4))] * len(labels), range(len(labels)), labels, out / "images")
    made = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert {path.parent for path in made} == {out, out / "images"}
    assert len(made) == 2 + len(labels)


def test_a_photo_decides_the_emotion_and_the_name(
    smoke: tuple[Path, Outcome], photo: Path, emosym: Command, tmp_path: Path
) -> None:
    where = ("--system", smoke[0], "--device", "cpu")
    read = json.loads(emosym("understand", photo, *where, "--json").out)[0]["emotion"]
    made = emosym(
        "generate", "--image", photo, "--strength", "0.5", "--steps", "2", "--out", tmp_path, *where
    )
    assert made.out.split() == [str(tmp_path / f"{read}-0.png")]
    with Image.open(tmp_path / f"{read}-0.png") as picture:
        assert json.loads(picture.text["emosym"])["image"] == "photo.jpg"


def test_another_picture_of_the_same_name_is_kept(
    smoke: tuple[Path, Outcome], emosym: Command, tmp_path: Path
) -> None:
    words = (
        "generate",
        "--mixture",
        "awe=0.7,fear=0.3",
        "--steps",
        "2",
        "--system",
        smoke[0],
        "--out",
        tmp_path,
    )
    names = [Path(emosym(*words, *more).out.strip()).name for more in ((), ("--guidance", "9"), ())]
    assert names == ["awe-fear-0.png", "awe-fear-0-2.png", "awe-fear-0.png"]


def test_a_run_is_measured_again(smoke: tuple[Path, Outcome], emosym: Command, tmp_path: Path) -> None:
    before = (smoke[0] / "summary.json").read_bytes()
    figures = json.loads(
        emosym("evaluate", smoke[0], "--split", "val", "--out", tmp_path / "again", "--json").out
    )
    assert figures["split"] == "val"
    assert 0 <= figures["understanding"]["accuracy"] <= 1
    assert (smoke[0] / "summary.json").read_bytes() == before


SHORT = (
    "stages.compress.steps=40", "stages.reinforce.steps=2", "stages.unify.steps=2",
    "evaluation.per_class=2", "evaluation.sampling_steps=2",
)  # fmt: skip


@pytest.mark.slow
def test_ctrl_c_prints_the_command_that_finishes_the_run(process: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    sets = [*CHEAP, *(word for value in SHORT for word in ("--set", value))]
    code = "import sys; from emosym.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "run", "preset:tiny", *sets, "--out", str(run)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not (run / "metrics.jsonl").exists():
        time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err
    shown = shlex.split(err.strip().splitlines()[-1])
    assert shown[0] == "emosym"
    assert process(*shown[1:]).status == 0
    assert (run / "report.html").is_file()


def test_every_evaluation_is_a_result_of_its_own_and_the_run_stays_as_it_is(
    smoke: tuple[Path, Outcome], emosym: Command, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(smoke[0], tmp_path / "copy"))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for words, name in (
        (("--split", "val"), "val-1"),
        (("--set", "evaluation.split=val"), "val-2"),
        ((), "test-1"),
    ):
        other = emosym("evaluate", run, *words, "--device", "cpu")
        assert other.status == 0, other.err
        assert {path: path.read_bytes() for path in before} == before
        folder = run / "evaluations" / name
        assert f"report: {folder / 'report.html'}" in other.out
        split = name.partition("-")[0]
        assert re.search(rf"^understanding +Accuracy .*\n{split} +[\d.]+ % \(", other.out)
        assert json.loads((folder / "evaluation" / "final.json").read_text())["split"] == split
        assert read_predictions(folder / "evaluation" / "final-readings.parquet").split == split
        made = read_predictions(folder / "evaluation" / "final-generated.parquet")
        assert {path.name for path in (folder / "images").iterdir()} == set(made.ids)
        assert "measured" in (folder / "report.html").read_text()
    summaries = [json.loads((place / "summary.json").read_text()) for place in (run, folder)]
    accuracies = [summary["understanding"]["accuracy"] for summary in summaries]
    assert accuracies[0] == accuracies[1], "a smoke run is measured on its few images again"
    assert (
        emosym("report", folder, "--out", tmp_path / "again.html").out
        == f"report: {tmp_path / 'again.html'}\n"
    )
    assert (tmp_path / "again.html").read_bytes() == (folder / "report.html").read_bytes()


def test_an_evaluation_writes_over_nothing(
    smoke: tuple[Path, Outcome], emosym: Command, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for out in (smoke[0], tmp_path):
        refused = emosym("evaluate", smoke[0], "--out", out)
        assert refused.status == 2
        assert f"{out} is not empty, and an evaluation writes over nothing" in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_run_that_was_stopped_says_how_to_go_on_where_its_system_is_asked_for(
    smoke: tuple[Path, Outcome], photo: Path, emosym: Command, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(smoke[0], tmp_path / "stopped"))
    shutil.rmtree(run / "system")
    for words in (("understand", photo, "--system", run), ("evaluate", run)):
        refused = emosym(*words)
        assert refused.status == 2
        assert f"emosym run {run / 'spec.yaml'} --out {run} --resume" in refused.err
