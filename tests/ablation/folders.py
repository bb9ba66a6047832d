"""Run folders as finished runs leave them, with figures of known truth and no training."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from emosym.predictions import Predictions, write_predictions
from emosym.report.sheet import contact_sheet

NAMES = ("awe", "fear", "sadness")
FIGURES = {
    "accuracy": {"title": "Accuracy", "percent": True, "higher_is_better": True, "headline": True, "beside": ""},
    "macro_f1": {"title": "macro-F1", "percent": True, "higher_is_better": True, "headline": True, "beside": ""},
    "warmth": {"title": "Warmth & <b>glow</b>", "percent": False, "higher_is_better": False, "headline": True, "beside": ""},
    "ece": {"title": "ECE", "percent": False, "higher_is_better": False, "headline": False, "beside": ""},
}  # fmt: skip


def make_run(
    folder: Path,
    *,
    seed: int = 1,
    skill: float = 0.7,
    images: int = 200,
    overrides: Mapping[str, Any] | None = None,
    names: Sequence[str] = NAMES,
    split: str = "test",
    data: str = "d",
    predictions: bool = True,
    smoke: bool = False,
    id: str | None = None,
    steps: int = 40,
) -> Path:
    """A run whose images are each right where skill + the image's ease + noise is positive."""
    # Images are as hard in every run; what the seed adds is its own.
    ease = np.random.default_rng(99).standard_normal(images)
    rng = np.random.default_rng([seed, round(1000 * abs(skill)), len(str(folder.name))])
    right = (skill + ease + 0.05 * rng.standard_normal() + rng.standard_normal(images) > 0).astype(float)
    warmth = rng.random(12)
    for place in ("evaluation", "sheets", "system", "checkpoints"):
        (folder / place).mkdir(parents=True)
    spec = {
        "emosym": 1,
        "name": "tiny",
        "seed": seed,
        "labels": "some",
        "fusion": {"name": "additive", "params": {}},
    }
    spec |= {"rewards": [{"name": "label", "weight": 0.6}, {"name": "wheel", "weight": 0.4}]}
    for key, value in (overrides or {}).items():
        where: Any = spec
        *path, last = key.split(".")
        for part in path:
            where = where.setdefault(part, {})
        where[last] = value
    with (folder / "spec.yaml").open("w") as file:
        YAML(typ="safe").dump(spec, file)
    understanding = {"accuracy": right.mean(), "accuracy_low": 0.1, "accuracy_high": 0.9, "images": images}
    understanding |= {"macro_f1": right.mean() - 0.01, "ece": 0.05 + 0.01 * rng.random()}
    generation = {"warmth": warmth.mean(), "warmth_low": 0.1, "warmth_high": 0.9}
    write(folder / "run.json", {"id": id or f"{folder.name}-{seed}", "smoke": smoke})
    write(folder / "provenance.json", {"data": {"fingerprint": data}})
    write(
        folder / "summary.json",
        {
            "name": "tiny",
            "seed": seed,
            "smoke": smoke,
            "understanding": {**understanding, "stages": {"compress": understanding}},
            "generation": generation,
            "figures": FIGURES,
            "seconds": {"compress": 60.0 + seed, "unify": 120.0, "evaluate": 5.0, "total": 190.0 + seed},
            "peak_memory_bytes": 2**31,
        },
    )
    write(
        folder / "evaluation" / "final.json",
        {"split": split, "understanding": {**understanding, "names": list(names)}, "generation": generation},
    )
    write(folder / "system" / "system.json", {"labels": list(names), "files": {"head": f"{seed}{skill}"}})
    write(
        folder / "checkpoints" / "progress.json",
        {"compress": {"steps": 2, "seconds": 60.0, "parameters": 12_345}},
    )
    if predictions:
        ids = tuple(f"image-{i}" for i in range(images))
        labels = np.arange(images) % len(names)
        chances = np.full((images, len(names)), 1 / len(names))
        kept = Predictions(tuple(names), split, ids, labels, chances, {"accuracy": right})
        write_predictions(folder / "evaluation" / "final-readings.parquet", kept)
        made = Predictions(
            tuple(names), split, tuple(f"p{i}.png" for i in range(12)), np.arange(12) % len(names), None,
            {"warmth": warmth}, np.arange(12) + seed, ("a picture",) * 12,
        )  # fmt: skip
        write_predictions(folder / "evaluation" / "final-generated.parquet", made)
    lines = [
        {
            "stage": "compress",
            "step": step,
            "time": 1.0,
            "loss": math.exp(-step / 20) + 0.1 * rng.random(),
            "lr": 1e-3,
        }
        for step in range(1, steps + 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pictures = [Image.effect_noise((64, 64), 40 * (seed + i % 3)) for i in range(4)]
    contact_sheet(dict.fromkeys(names, pictures)).save(folder / "sheets" / "generated.png")
    return folder


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))
