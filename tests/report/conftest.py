from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emosym.contracts.labels import MIKELS_8
from emosym.predictions import Predictions, write_predictions
from emosym.report.pictures import as_url
from emosym.report.sheet import contact_sheet


def figures(right: int) -> dict[str, object]:
    confusion = [[right if i == j else 2 for j in range(8)] for i in range(8)]
    return {
        "accuracy": right / (right + 14),
        "macro_f1": 0.5,
        "confusion": confusion,
        "names": list(MIKELS_8),
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with everything a finished run leaves for its report, shared by the tests of a file."""
    return _make_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture
def short_run(tmp_path: Path) -> Path:
    """The same, with two steps a stage."""
    return _make_run(tmp_path / "tiny", steps=2)


def _make_run(folder: Path, steps: int = 120) -> Path:
    (folder / "evaluation").mkdir(parents=True)
    (folder / "sheets").mkdir()
    stages = {"compress": 20, "reinforce": 30, "unify": 60}
    lines = []
    for stage, right in stages.items():
        (folder / "evaluation" / f"{stage}.json").write_text(json.dumps(figures(right)))
        for step in range(1, steps + 1):
            values = {
                "loss": 2 * math.exp(-step / 40),
                "accuracy": 1 - math.exp(-step / 40),
                "lr": 1e-3,
                "gradient_norm": 1.0,
            }
            if stage == "reinforce":
                values |= {"reward/label/mean": step / 120, "reward/label/std": 0.1, "reward/label/flat": 0.2}
                values |= {"reward/wheel/mean": 0.5, "reward/wheel/std": 0.2, "kl": step / 1000, "sigma": 0.5}
            if stage == "unify" and step % 5 == 0:
                values |= {"bank/admitted": 8, "bank/fraction": step / 400}
            lines.append({"stage": stage, "step": step, "time": 1.0, **values})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    summary = {
        "name": "tiny",
        "figures": {
            "accuracy": {"title": "accuracy", "percent": True, "headline": True, "beside": "bayes"},
            "macro_f1": {"title": "macro-F1", "percent": True, "headline": True},
            "emo_a": {"title": "Emo-A", "percent": True, "headline": True, "beside": "emo_a_real"},
            "emo_a_real": {"title": "real", "percent": True},
            "reward_label": {"title": "Held-out reward, label", "about": "1 for the annotated emotion"},
        },
        "understanding": {
            **{"accuracy": 0.81, "macro_f1": 0.8, "bayes": 0.867},
            "stages": {stage: {"accuracy": 0.7, "macro_f1": 0.69} for stage in stages},
        },
        "generation": {"emo_a": 0.75, "emo_a_real": 0.85, "diversity": 0.6, "diversity_real": 0.8},
        "seconds": {"compress": 61.0, "reinforce": 30.0, "unify": 100.0, "evaluate": 20.0, "total": 220.0},
        "peak_memory_bytes": 2 * 2**30,
        "data": "emosym-tiny/tiny-world",
        "embedded": True,
        "seed": 7,
        "device": "cpu",
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "spec.yaml").write_text("emosym: 1\nname: tiny # <b>not a tag</b>\n")
    (folder / "provenance.json").write_text(json.dumps({"started": "2025-01-01T00:00:00+0000"}))
    admitted = (
        ("admit", "min score 0.9000"),
        ("refuse", "the score 0.2100 is below the 0.5 that is asked for"),
    )
    ledger = [
        {
            "number": 4 * place + number,
            "step": step,
            "action": action,
            "image": f"bank/{step}-{number}",
            "label": number % 8,
            "reason": reason,
            "detail": {},
        }
        for place, step in enumerate((40, 80))
        for number, (action, reason) in enumerate(
            (*admitted, ("refuse", "the score 0.3000 is below the 0.5 that is asked for")), 1
        )
    ]
    (folder / "ledger.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in ledger))
    pictures = [Image.new("RGB", (64, 64), (40 * i, 90, 200 - 20 * i)) for i in range(6)]
    for name in ("generated", "real"):
        contact_sheet(dict.fromkeys(MIKELS_8, pictures)).save(folder / "sheets" / f"{name}.png")
    bank = {entry["image"]: as_url(pictures[0]) for entry in ledger if entry["action"] == "admit"}
    (folder / "sheets" / "bank.json").write_text(json.dumps(bank))
    _keep_evaluation(folder, pictures)
    return folder


def _keep_evaluation(folder: Path, pictures: list[Image.Image]) -> None:
    """What an evaluation keeps of each picture: 16 an emotion read, of which the last 4 as the next one; 3 painted, of which
    the judge reads the last as the next emotion."""
    place, rng = folder / "evaluation", np.random.default_rng(0)
    for split, each, wrong in (("readings", 16, 4), ("generated", 3, 1)):
        labels = np.repeat(np.arange(8), each)
        answers = np.where(np.arange(len(labels)) % each < each - wrong, labels, (labels + 1) % 8)
        table = np.full((len(labels), 8), 0.02)
        table[np.arange(len(labels)), answers] = rng.uniform(0.4, 0.86, len(labels))
        table /= table.sum(1, keepdims=True)
        ids = [f"{MIKELS_8[label]}-{number % each:03d}.png" for number, label in enumerate(labels)]
        made = split == "generated"
        write_predictions(
            place / f"final-{split}.parquet",
            Predictions(
                MIKELS_8,
                "test",
                tuple(ids),
                labels,
                table,
                seeds=np.arange(len(labels)) if made else None,
                prompts=("a picture",) * len(labels) if made else None,
            ),
        )
        if made:
            (folder / "images").mkdir()
            for number, name in enumerate(ids):
                pictures[number % len(pictures)].save(folder / "images" / name)
    error = {
        "id": "photos/one.jpg",
        "label": "awe",
        "read": "fear",
        "probability": 0.97,
        "of_label": 0.012,
        "reasons": ["a dark sky over <nobody>"],
        "picture": as_url(pictures[1]),
    }
    (place / "final-errors.json").write_text(json.dumps([error]))
    plane = {name: [[place, 0.5], [place + 0.5, 1.0]] for place, name in enumerate(MIKELS_8)}
    (place / "final-space.json").write_text(
        json.dumps({"spread": [0.5, 0.25], "read": plane, "drawn": plane})
    )
    gradients = {"tokens/own": 0.5, "head/weight": 0.25, "head/bias": 0.125}
    (place / "gradients-compress.json").write_text(json.dumps(gradients))
    final = {"split": "test", "understanding": {**figures(60), "images": 128}}
    final["pictures"] = {"painted": 24, "real": 24}
    (place / "final.json").write_text(json.dumps(final))
