"""The diffusion models' figures: one file that each of the three stages adds its own to."""

from __future__ import annotations

import json

from train.figures import FIGURES
from train.loop import WORK


def trained(name: str) -> dict[str, float]:
    """Seconds and steps of a finished training, over all the runs it took."""
    last = json.loads((WORK / f"{name}.jsonl").read_text().splitlines()[-1])
    return {"training_seconds": last["seconds"], "training_steps": last["step"]}


def record(stage: str, **figures: object) -> None:
    """Write the stage's figures into ``figures/diffusion.json``, leaving those of the other stages."""
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / "diffusion.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {stage: figures}, indent=2) + "\n")
    print(json.dumps(figures), flush=True)
