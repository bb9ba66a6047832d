"""A checkpoint that does not fit on a real disk of one megabyte."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MOUNT = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
ON_A_SMALL_DISK = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
SCRIPT = """
import json, sys, torch
from pathlib import Path
from types import SimpleNamespace as Simple
from emosym_registry import EmosymError
from emosym.storage import read_state
from emosym.training.checkpoint import Checkpoints, Progress, read_facts

disk = Path(sys.argv[1])

def checkpoint(numbers):
    weight = torch.nn.Parameter(torch.full((numbers,), float(numbers)))
    system = Simple(state=lambda: {"head": {"weight": weight.detach()}})
    stage = Simple(name="compress", system=system, extra_state=dict, kept=dict)
    return Checkpoints(disk / "run" / "checkpoints", stage, torch.optim.AdamW([weight]))

checkpoint(1000).save(Progress(1))
try:
    checkpoint(1_000_000).save(Progress(2))
except EmosymError as error:
    last = disk / "run" / "checkpoints" / "compress-00000001"
    print(json.dumps({
        "id": error.id, "message": error.message, "hint": error.hint, "step": read_facts(last)["step"],
        "numbers": len(read_state(last)["head"]["weight"]), "left": sorted(p.name for p in last.parent.iterdir()),
    }))
"""


def _small_disks() -> bool:
    """Whether this machine lets a user mount a disk of their own."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*MOUNT, "mount -t tmpfs none /tmp"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not _small_disks(), reason="needs unprivileged mounts (Linux)")
def test_a_full_disk_leaves_the_earlier_checkpoint_and_nothing_half_written(tmp_path: Path) -> None:
    done = subprocess.run(
        [*MOUNT, ON_A_SMALL_DISK, str(tmp_path), sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["id"] == "files.disk-full"
    assert "checkpoints/compress-00000002: No space left on device (it needs 4.0 MB, " in found["message"]
    assert found["hint"].startswith("free at least 3.")
    assert (found["step"], found["numbers"], found["left"]) == (1, 1000, ["compress-00000001"])
