"""What grows with the number of pictures: ``python -m benchmarks.scale [N …]`` writes docs/scale.json and prints a table.

The embedded models go through all three stages with a fixed number of steps, on N small pictures, each of its own. So a phase
whose time grows with N reads or lists all of them, and the table says with what power it grows. Every N has a process of its own,
on one thread, and nothing that an earlier one has kept.
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import page
from benchmarks.phases import of_a_run

NUMBERS = (1_000, 10_000, 118_000)
FILE = page.DOCS / "scale.json"
HELD_OUT = 256
EMOTIONS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
SETTINGS = {
    "data": "{{name: index, params: {{path: {folder}/index.jsonl}}}}",
    "knowledge": "{{name: annotations, params: {{field: reasoning}}}}",
    "compute": "{{device: cpu, precision: fp32, workers: 0}}",
    "stages.compress.steps": "20",
    "stages.reinforce": "{{steps: 20, batch_size: 32, calibrate: false}}",
    "stages.unify": "{{steps: 20, batch_size: 32, fit_per_class: 64}}",
    "stages.unify.refresh": "{{every: 10, per_class: 1, sampling_steps: 2, confidences: seen, validation: 128}}",
    "memory.params": "{{min_score: 0.0, fraction: 0.1}}",
    "evaluation": "{{per_class: 2, sampling_steps: 2}}",
    "metrics": "[accuracy]",
    "judges.evaluate": "null",
}
EXPLAINED = {
    "list the data": "an index of N lines is parsed and checked",
    "before training": "every picture's header is read, once a run, and every name hashed into the fingerprint",
    "prepare compress": "one text a picture is looked up; those that steps will draw are encoded",
    "the rest": "names and labels are listed",
}
"""Phases that look at every picture, and why."""


def write_pictures(folder: Path, count: int) -> None:
    """``count`` training pictures of 32×32 in the layout of an index, and some of both other splits."""
    draw = np.random.default_rng(0)
    (folder / "image").mkdir(parents=True)
    with (folder / "index.jsonl").open("w", encoding="utf-8") as index:
        for split, size in (("train", count), ("val", HELD_OUT), ("test", HELD_OUT)):
            for i in range(size):
                name, emotion = f"image/{split}-{i:06d}.png", EMOTIONS[i % len(EMOTIONS)]
                pixels = draw.integers(0, 256, (4, 4, 3), dtype=np.uint8)
                Image.fromarray(pixels).resize((32, 32), Image.Resampling.NEAREST).save(folder / name)
                text = f"it is {('so', 'very', 'rather')[i % 3]} {('high', 'dark', 'bright', 'quiet')[i % 4]}"
                row = {"split": split, "label": emotion, "image": name, "attributes": {"reasoning": text}}
                index.write(json.dumps(row) + "\n")


def run(folder: Path) -> dict[str, Any]:
    """Seconds by phase of a run on the pictures of a folder, and the peak memory."""
    from emosym_registry import load_registry

    from emosym.experiment.run import run_experiment
    from emosym.spec import load_spec

    phases = of_a_run()
    registry = load_registry()
    sets = [f"{key}={value.format(folder=folder)}" for key, value in SETTINGS.items()]
    with phases.timed("the rest"):
        run_experiment(load_spec("preset:tiny", registry=registry, sets=sets), registry, folder / "run")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": phases.seconds, "peak_mebibytes": peak}


def measure(count: int) -> dict[str, Any]:
    """The same in a process of its own, on one thread, with an empty cache."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_pictures(folder, count)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "EMOSYM_CACHE": str(folder / "cache")}
        call = [sys.executable, "-m", "benchmarks.scale", "--run", str(folder)]
        done = subprocess.run(call, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def power(small: float, large: float, times: float) -> float:
    """With what power of N something grows from ``small`` to ``large``; noise of less than a second is none."""
    return 0.0 if large - small < 1.0 else math.log(large / max(small, 1e-3)) / math.log(times)


def compared(found: Mapping[int, Mapping[str, Any]]) -> tuple[list[str], list[tuple[str, ...]]]:
    """A header and a row a phase: seconds by N, and the power from the second largest N to the largest."""
    numbers = sorted(found)
    phases = sorted({phase for one in found.values() for phase in one["seconds"]})
    rows = []
    for phase in phases:
        seconds = [found[n]["seconds"].get(phase, 0.0) for n in numbers]
        grows = power(*seconds[-2:], numbers[-1] / numbers[-2]) if len(numbers) > 1 else 0.0
        why = EXPLAINED.get(phase, "UNEXPLAINED") if grows > 0.2 else ""
        rows.append((phase, *(f"{one:.2f}" for one in seconds), f"{grows:.2f}", why))
    peaks = [found[n]["peak_mebibytes"] for n in numbers]
    rows.append(("peak memory, MiB", *(f"{one:.0f}" for one in peaks), "", ""))
    return ["seconds", *(f"N = {n:,}" for n in numbers), "power", "why"], rows


def main(words: list[str]) -> int:
    """Measure, print and write; 1 where something grows that nobody has explained."""
    if words[:1] == ["--run"]:
        print(json.dumps(run(Path(words[1]))))
        return 0
    from emosym.cli.columns import columns

    numbers = [int(word) for word in words] or list(NUMBERS)
    found = {number: measure(number) for number in numbers}
    header, rows = compared(found)
    print(columns(header, rows, numbers=range(1, len(header) - 1)))
    if not words:
        measured = {"machine": page.machine(), "pictures": found}
        FILE.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
        page.fill("scale", f"{page.table(header, rows)}\n\nMachine: {page.machine()}, one thread.")
    return int(any(row[-1] == "UNEXPLAINED" for row in rows))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
