"""How many threads a process on a CPU should have: ``python -m benchmarks.threads`` runs the stages of the demo with a fixed number
of steps, alone and two at a time, with threads from one to all cores, and writes the table of docs/performance.md."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import page
from emosym.cli.columns import columns
from emosym.report import METRICS
from emosym.toolkit import read_json_lines

STEPS = {"compress": 60, "reinforce": 20, "unify": 20}
SETS = (
    *(f"stages.{stage}.steps={steps}" for stage, steps in STEPS.items()),
    "data.params.train=2000", "data.params.val=64", "data.params.test=64",
    "stages.unify.refresh=null", "memory=null", "judges.bank=null", "stages.reinforce.calibrate=false",
    "compute.cache_megabytes=0", "evaluation.per_class=2", "evaluation.sampling_steps=1", "metrics=[accuracy]",
)  # fmt: skip
HEADER = ("processes", "threads of each", *STEPS)


def steps_a_second(processes: int, threads: int) -> dict[str, float]:
    """By stage, of all processes together."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder) / str(number) for number in range(processes)]
        command = [
            str(Path(sys.executable).with_name("emosym")),
            "run",
            "preset:tiny",
            *(w for s in SETS for w in ("--set", s)),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        started = [
            subprocess.Popen(
                [*command, "--out", str(run), "--quiet"], env=environment, stdout=subprocess.DEVNULL
            )
            for run in runs
        ]
        for one in started:
            if one.wait():
                raise SystemExit(f"a run ended with status {one.returncode}: see above")
        return {stage: sum(_rate(run / METRICS, stage) for run in runs) for stage in STEPS}


def _rate(log: Path, stage: str) -> float:
    """Steps a second between the first and the last that a run has logged of a stage."""
    lines = [line for line in read_json_lines(log) if line["stage"] == stage and "loss" in line]
    return float((lines[-1]["step"] - lines[0]["step"]) / (lines[-1]["time"] - lines[0]["time"]))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    if arguments or sys.argv[1:]:
        raise SystemExit("usage: python -m benchmarks.threads")
    cores = os.cpu_count() or 1
    asked = [(processes, threads) for processes in (1, 2) for threads in dict.fromkeys((1, cores))]
    found = {one: steps_a_second(*one) for one in asked}
    first = found[asked[0]]
    rows = [
        (
            str(processes),
            str(threads),
            *(f"{speed:.2f} ({speed / first[stage]:.2f} ×)" for stage, speed in speeds.items()),
        )
        for (processes, threads), speeds in found.items()
    ]
    print(columns(HEADER, rows, numbers=range(len(HEADER))))
    page.fill("threads", f"{page.table(HEADER, rows)}\n\n{page.machine()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
