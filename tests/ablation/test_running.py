"""Cells run once, on their own, and go on where they stopped, whoever works on them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import EmosymError, Registry

from emosym.ablation.ablate import Watch, estimate, failures
from emosym.ablation.cost import saved
from emosym.ablation.folder import StudyFolder
from emosym.ablation.study import Study
from emosym.ablation.worker import Options, take, work
from emosym.experiment.lock import locked
from emosym.toolkit import read_json

READING = "  stages: {reinforce: null, unify: null}\n  memory: null\n"
ROWS = (
    READING
    + "rows: {whole: {}, fewer figures: {metrics.ece: null}, broken: {stages.compress.lr: {head: 1.0e+30}}}\n"
)
Load = Callable[[str], Study]


def states(folder: StudyFolder) -> dict[str, str]:
    return {f"{', '.join(cell.rows)} {cell.seed}": folder.state(cell) for cell in folder.cells()}


def ran(folder: StudyFolder) -> dict[str, float]:
    """When each finished cell was written."""
    runs = {cell.name: folder.run(cell) / "summary.json" for cell in folder.cells()}
    return {name: path.stat().st_mtime_ns for name, path in runs.items() if path.exists()}


def test_cells_share_fail_alone_and_go_on(load: Load, registry: Registry, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out", tmp_path / "out" / "stages")
    study = load(ROWS)
    folder.write(study)
    lines: list[str] = []
    watch = Watch(folder, study, lines.append, processes=1)
    work(folder, Options())
    watch()
    assert states(folder) == {
        "whole 7": "done", "whole 8": "done", "fewer figures 7": "done", "fewer figures 8": "done",
        "broken 7": "failed", "broken 8": "failed",
    }  # fmt: skip
    said = failures(folder, folder.cells())
    assert len(said) == 2
    assert "broken, seed 7: the " in said[0]
    assert "is not finite" in said[0]
    assert len(lines) == 6
    assert lines[-1].startswith("6 of 6 cells: ")
    assert len(list(folder.store.glob("compress-*/result"))) == 2
    assert 0.4 < saved(folder, folder.cells()).share < 0.6

    # Rows and seeds that are added are all that runs; a row that is taken out leaves what it made.
    before = ran(folder)
    more = load(ROWS.replace("broken: {stages.compress.lr: {head: 1.0e+30}}", "slower: {optim.lr: 1.0e-5}"))
    told = "\n".join(estimate(more, folder, registry, 1, []))
    assert "6 cells, 4 done, 0 failed" in told
    assert "to train: compress 2×; 0 stages" in told
    assert "time: about" in told
    assert "from runs of this kind" in told
    fresh = "\n".join(estimate(more, StudyFolder(tmp_path / "none", tmp_path), registry, 1, []))
    assert "6 cells, 0 done" in fresh
    assert "GiB of a CUDA card in " in fresh
    folder.write(more)
    work(folder, Options())
    assert set(states(folder).values()) == {"done"}
    assert len(folder.cells()) == 6
    assert {name: when for name, when in ran(folder).items() if name in before} == before


def test_what_has_failed_is_tried_again_on_request_alone(load: Load, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out", tmp_path / "out" / "stages")
    folder.write(load(READING + "rows: {whole: {}}\n"))
    one, other = folder.cells()
    folder.fail(one, EmosymError("example", "the disk was full"))
    assert take(folder) == other
    assert failures(folder, [one]) == ["whole, seed 7: the disk was full"]
    folder.forgive(one)
    assert take(folder) == one


def test_cells_whose_next_stage_is_being_trained_wait_for_it(load: Load, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out", tmp_path / "out" / "stages")
    folder.write(load(READING + "rows: {whole: {}, fewer figures: {metrics.ece: null}}\n"))
    first, second, third, _ = folder.cells()
    with locked(folder.run(first)):
        assert folder.state(first) == "running"
        with locked(folder.store / f"compress-{first.stages['compress']}-x"):
            assert take(folder) == second  # the other seed, since the third cell needs what is being trained
            assert folder.awaited(third)
        assert not folder.awaited(third)


def test_a_call_ends_where_its_budget_does(load: Load, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out", tmp_path / "out" / "stages")
    folder.write(load(READING + "rows: {whole: {}}\n"))
    work(folder, Options(deadline=1.0))
    work(folder, Options(bytes=1))
    assert set(states(folder).values()) == {"open"}


def test_smoke_runs_and_whole_ones_do_not_share_a_folder(load: Load, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out", tmp_path / "out" / "stages")
    folder.write(load(READING + "rows: {whole: {}}\n"), smoke=True)
    with pytest.raises(EmosymError, match="holds a study of smoke runs"):
        folder.write(load(READING + "rows: {whole: {}}\n"))


def test_a_folder_that_holds_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmosymError, match="holds no study"):
        StudyFolder.open(tmp_path)


def test_the_command_runs_a_study_in_two_processes(write: Callable[[str], Path], tmp_path: Path) -> None:
    path = write(READING + "rows: {whole: {}}\n")
    out = tmp_path / "out"
    words = [str(Path(sys.executable).with_name("emosym")), "ablate", str(path), "--out", str(out)]
    done = subprocess.run([*words, "--processes", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = StudyFolder.open(out)
    assert states(folder) == {"whole 7": "done", "whole 8": "done"}
    assert "2 of 2 cells: whole, seed" in done.stderr
    study = read_json(folder.run(folder.cells()[0]) / "provenance.json")["study"]
    assert study == {"study": "out", "cell": folder.cells()[0].name, "rows": ["whole"], "seed": 7}
    again = subprocess.run([*words, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(again.stdout) == read_json(out / "study.json")
