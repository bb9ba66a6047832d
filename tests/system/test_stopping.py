"""Stopped, locked, poisoned and robbed runs: nothing is lost, and nothing wrong is kept."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from emosym_registry import EmosymError, Registry

from emosym.contracts import LossTerms
from emosym.experiment.folder import RunFolder
from emosym.experiment.lock import NAME as LOCK, locked
from emosym.experiment.run import run_experiment
from emosym.spec import Resolved, load_spec
from emosym.storage import read_state
from emosym.training.checkpoint import read_facts, steps_of

from .conftest import After
from .test_run import rows, untimed


def same_weights(one: Path, other: Path) -> bool:
    first, second = read_state(one / "system"), read_state(other / "system")
    return first.keys() == second.keys() and all(
        torch.equal(second[part][name], value)
        for part, tensors in first.items()
        for name, value in tensors.items()
    )


@pytest.fixture
def copy(stopped: Path, tmp_path: Path) -> Path:
    """A stopped run to go on with."""
    return Path(shutil.copytree(stopped, tmp_path / "copy"))


def test_a_run_that_was_asked_to_stop_goes_on_to_the_same_end(
    run: Path, copy: Path, small: Resolved, registry: Registry
) -> None:
    (saved,) = steps_of(copy / "checkpoints", "unify")
    assert saved.name == "unify-00000004"
    before = read_facts(saved)
    assert not (copy / LOCK).exists()
    summary = run_experiment(small, registry, copy, resume=True)
    assert same_weights(run, copy)
    assert rows(copy) == rows(run)
    for file in ("evaluation/final.json", "ledger.jsonl", "evaluation/gradients-unify.json"):
        assert untimed(copy / file) == untimed(run / file), file
    assert summary["seconds"]["unify"] >= round(before["seconds"], 1)
    assert summary["seconds"]["total"] > before["elapsed"]
    provenance = json.loads((copy / "provenance.json").read_text())
    assert len(provenance["resumed"]) == 1
    assert provenance["resumed"][0]["started"] >= provenance["started"]


def test_a_clock_that_is_put_back_by_a_year_changes_nothing(
    run: Path, copy: Path, small: Resolved, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = time.time

    def put_back() -> None:
        monkeypatch.setattr(time, "time", lambda: right() - 365 * 86_400)

    summary = run_experiment(small, registry, copy, resume=True, listeners=[After("unify", 5, put_back)])
    assert same_weights(run, copy)
    assert rows(copy) == rows(run)
    assert 0 < summary["seconds"]["total"] < 3600


def test_a_stage_that_begins_again_does_not_find_what_its_first_attempt_admitted(
    run: Path, copy: Path, small: Resolved, registry: Registry
) -> None:
    for checkpoint in steps_of(copy / "checkpoints", "unify"):
        shutil.rmtree(checkpoint)
    run_experiment(small, registry, copy, resume=True)
    assert same_weights(run, copy)
    assert rows(copy) == rows(run)


def test_data_that_have_changed_are_refused_or_written_down(
    copy: Path, small: Resolved, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (copy / "provenance.json").read_bytes()
    monkeypatch.setattr("emosym.experiment.run.fingerprint", lambda dataset: "other")
    with pytest.raises(EmosymError, match="samples or labels have changed since") as error:
        run_experiment(small, registry, copy, resume=True)
    assert error.value.id == "run.data-changed"
    assert (copy / "provenance.json").read_bytes() == before
    run_experiment(small, registry, copy, resume=True, changed_data=True)
    assert json.loads((copy / "provenance.json").read_text())["resumed"][0]["data"]["fingerprint"] == "other"


def test_the_bank_of_another_run_is_refused(
    copy: Path, small: Resolved, registry: Registry, tmp_path: Path, sets: tuple[str, ...]
) -> None:
    url = f"memory.params.url=sqlite:///{copy / 'bank.db'}"
    mine = load_spec("preset:tiny", registry=registry, sets=[*sets, url])
    with pytest.raises(EmosymError, match="is the bank of another run") as error:
        run_experiment(mine, registry, tmp_path / "mine")
    assert error.value.id == "memory.other-run"
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("name", "id"),
    [(".", "run.folder-gone"), ("bank.db", "memory.gone"), ("metrics.jsonl", "run.metrics-gone")],
)
def test_what_is_deleted_under_a_run_stops_it(
    small: Resolved, registry: Registry, tmp_path: Path, name: str, id: str
) -> None:
    out = tmp_path / "run"

    def harm() -> None:
        shutil.rmtree(out) if name == "." else (out / name).unlink()

    stage = "unify" if name == "bank.db" else "compress"
    with pytest.raises(EmosymError) as error:
        run_experiment(small, registry, out, listeners=[After(stage, 2, harm)])
    assert error.value.id == id
    assert name != "." or not (out / "summary.json").exists()


def test_a_loss_that_is_nan_names_the_component_that_gave_it(
    small: Resolved, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = small.offers["compressor"].load()
    monkeypatch.setattr(kind, "loss", lambda *_: LossTerms(torch.tensor(math.nan, requires_grad=True)))
    words = r"not finite at step 1: compressor emosym-reasoning/\S+ \(emosym-reasoning 0.1.0\) gives nan$"
    with pytest.raises(EmosymError) as error:
        run_experiment(small, registry, tmp_path / "run")
    assert re.search(words, error.value.message), error.value.message


@pytest.mark.parametrize(
    "stage", [*(pytest.param(one, marks=pytest.mark.slow) for one in ("compress", "reinforce")), "unify"]
)
def test_a_gradient_that_is_not_finite_stops_the_run_and_is_never_saved(
    run: Path,
    small: Resolved,
    registry: Registry,
    tmp_path: Path,
    stage: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from accelerate import Accelerator

    out, clip, poison = tmp_path / "run", Accelerator.clip_grad_norm_, {"now": False}

    def poisoned(self: Accelerator, parameters: Any, *rest: Any) -> Any:
        if poison["now"]:
            parameters[0].grad.view(-1)[0] = math.nan
        return clip(self, parameters, *rest)

    monkeypatch.setattr(Accelerator, "clip_grad_norm_", poisoned)
    with pytest.raises(EmosymError, match=f"the gradient of stage {stage} is not finite at step 4") as error:
        run_experiment(small, registry, out, listeners=[After(stage, 3, lambda: poison.update(now=True))])
    assert error.value.id == "training.not-finite"
    poison["now"] = False
    run_experiment(small, registry, out, resume=True)
    assert same_weights(run, out)
    assert rows(out) == rows(run)


def test_two_processes_do_not_work_in_one_folder(copy: Path, small: Resolved, registry: Registry) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*.json")}
    with locked(copy), pytest.raises(EmosymError, match=f"in use by process {os.getpid()} on ") as error:
        (copy / LOCK).write_text((copy / LOCK).read_text().replace('"since"', '"then"'))
        run_experiment(small, registry, copy, resume=True)
    assert error.value.id == "run.locked"
    assert {path: path.read_bytes() for path in copy.rglob("*.json")} == before


def test_the_lock_of_a_process_that_has_died_is_taken_over_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import os, sys; from pathlib import Path; from emosym.experiment.lock import locked\n"
    code += "with locked(Path(sys.argv[1])): os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == 9
    owner = json.loads((tmp_path / LOCK).read_text())
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert f"taken over from process {owner['pid']} on {socket.gethostname()}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_another_machine_holds_while_it_shows_signs_of_life(tmp_path: Path) -> None:
    lock = tmp_path / LOCK
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 1, "born": "1", "since": "2020-01-01 00:00:00"}))
    with pytest.raises(EmosymError, match="process 1 on elsewhere since 2020"), locked(tmp_path):
        pytest.fail("taken over")
    os.utime(lock, (time.time() - 3600,) * 2)
    with locked(tmp_path):
        assert json.loads(lock.read_text())["host"] == socket.gethostname()


def test_what_a_killed_writer_left_is_put_back_or_cleaned(
    copy: Path, small: Resolved, registry: Registry
) -> None:
    system = copy / "checkpoints" / "compress"
    system.rename(system.with_name(".compress.123.old"))
    (copy / "checkpoints" / ".unify-00000005.123.partial").mkdir()
    (copy / ".summary.json.123.partial").write_text("{")
    with RunFolder(copy).opened(small, resume=True):
        assert (system / "system.json").exists()
        assert not [path.name for path in (*copy.iterdir(), *system.parent.iterdir()) if "123" in path.name]
