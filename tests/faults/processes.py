"""Runs of the fault harness in several processes, started as a launcher starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from emosym.spec.model import STAGES
from emosym.storage import read_state

SCRIPT = Path(__file__).with_name("launched.py")


def launch(processes: int, *words: object) -> subprocess.CompletedProcess[str]:
    """Start the script as torchrun does, or alone."""
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes)] if processes > 1 else []
    return subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def difference(one: Path, other: Path, stage: str) -> float:
    """The largest difference of a weight after a stage."""
    first, second = (read_state(run / "checkpoints" / stage) for run in (one, other))
    assert first.keys() == second.keys()
    return max(
        float((first[part][name].double() - value.double()).abs().max())
        for part, tensors in second.items()
        for name, value in tensors.items()
        if value.numel()
    )


def differences(folder: Path) -> dict[str, float]:
    """The largest difference of a weight after each stage, between one process and two."""
    for processes, name in ((1, "alone"), (2, "two")):
        done = launch(processes, folder / name)
        if done.returncode:
            raise RuntimeError(done.stderr)
    return {stage: difference(folder / "alone", folder / "two", stage) for stage in STAGES}
