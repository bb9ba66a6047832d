"""The same study killed, on Ray and on Slurm's jobs gives the same table, and trains nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emosym.ablation.folder import StudyFolder
from emosym.toolkit import read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROWS = """\
  stages.reinforce: {steps: 4, batch_size: 8}
  stages.unify: {steps: 4, batch_size: 8, refresh: {every: 2, per_class: 1, sampling_steps: 4}}
rows: {whole: {}, fewer figures: {metrics.ece: null}, no bank: {memory: null, stages.unify.refresh: null}}
pairs: [{rows: [whole, no bank], margins: {accuracy: 0.05}}]
"""
KILLS = 10
EMOSYM = str(Path(sys.executable).with_name("emosym"))
SEED = int(os.environ.get("EMOSYM_FAULT_SEED", "0"))


@pytest.fixture
def study(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study's file; every worker computes with one thread, so that bits can be compared."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return write(ROWS)


@pytest.fixture
def expected(study: Path, tmp_path: Path) -> list[str]:
    """The table of the study run by one process that nobody disturbs."""
    return run(study, tmp_path / "quiet")


def run(study: Path, out: Path, *words: str, prefix: tuple[str, ...] = (EMOSYM, "ablate")) -> list[str]:
    """Run a study to its end; its table."""
    done = subprocess.run(
        [*prefix, str(study), "--out", str(out), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return table(out)


def table(out: Path) -> list[str]:
    """Every figure and every difference, without what was measured of time."""
    lines = (out / "study.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.startswith(("figure,", "difference,"))]
    assert len(kept) > 12
    return kept


def trained(out: Path) -> dict[str, int]:
    """The finished stages of a study, and when each was."""
    return {
        path.parent.parent.name: path.stat().st_mtime_ns
        for path in (out / "stages").glob("*/result/stage.json")
    }


def test_killed_at_ten_instants_it_gives_the_same_table_and_trains_nothing_twice(
    study: Path, expected: list[str], tmp_path: Path
) -> None:
    dice = random.Random(SEED)
    out = tmp_path / "killed"
    there: dict[str, int] = {}
    for _ in range(KILLS):
        process = subprocess.Popen(
            [EMOSYM, "ablate", str(study), "--out", str(out)],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(dice.uniform(4, 22))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(1)
        now = trained(out)
        assert {name: now.get(name) for name in there} == there
        there = now
    assert run(study, out) == expected
    assert {name: trained(out)[name] for name in there} == there
    assert sorted(trained(out)) == sorted(trained(tmp_path / "quiet"))


def test_two_calls_on_one_folder_share_the_work(study: Path, expected: list[str], tmp_path: Path) -> None:
    out = tmp_path / "shared"
    calls = [
        subprocess.Popen(
            [EMOSYM, "ablate", str(study), "--out", str(out)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    said = [call.communicate()[1].decode() for call in calls]
    assert [call.returncode for call in calls] == [0, 0], said
    assert table(out) == expected
    folder = StudyFolder.open(out)
    runs = [folder.run(cell) for cell in folder.cells()]
    assert not [run for run in runs if "resumed" in read_json(run / "provenance.json")]
    assert len(trained(out)) == len(trained(tmp_path / "quiet"))


def test_slurm_jobs_of_submitit_give_the_same_table(study: Path, expected: list[str], tmp_path: Path) -> None:
    words = ("--executor", "slurm", "--engine", "cluster=local", "--processes", "2")
    assert run(study, tmp_path / "slurm", *words) == expected
    assert list((tmp_path / "slurm" / "logs").glob("*_result.pkl"))


def test_a_ray_cluster_of_two_nodes_gives_the_same_table(
    study: Path, expected: list[str], tmp_path: Path
) -> None:
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    try:
        words = ("--executor", "ray", "--engine", f"address={cluster.address}", "--processes", "2")
        assert run(study, tmp_path / "ray", *words) == expected
    finally:
        cluster.shutdown()


def test_a_worker_that_dies_at_one_cell_twice_gives_that_cell_up(
    write: Callable[[str], Path], tmp_path: Path
) -> None:
    killer = tmp_path / "killer"
    killer.mkdir()
    (killer / "killing_plugin.py").write_text(
        "import os, signal\n"
        "from emosym_registry import API_VERSION, PluginInfo, hookimpl\n"
        "@hookimpl\n"
        "def emosym_plugin_info():\n"
        "    return PluginInfo('killing', API_VERSION, 'Dies in one row')\n"
        "@hookimpl\n"
        "def emosym_stage_started(run, stage, steps, step):\n"
        "    if 'deadly' in str(run):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    info = killer / "killing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: killing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[emosym.plugins]\nkilling = killing_plugin\n")
    rows = "  stages: {reinforce: null, unify: null}\n  memory: null\nrows: {deadly: {optim.lr: 0.001}, whole: {}}\n"
    out = tmp_path / "out"
    done = subprocess.run(
        [EMOSYM, "ablate", str(write(rows)), "--out", str(out), "--seeds", "1"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(killer)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    folder = StudyFolder.open(out)
    assert [(cell.rows, folder.state(cell)) for cell in folder.cells()] == [
        (("deadly",), "failed"), (("whole",), "done"),
    ]  # fmt: skip
    assert "ended with signal 9 2 times" in done.stderr
    assert "whole" in (out / "study.md").read_text(encoding="utf-8")
