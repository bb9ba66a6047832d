from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from emosym.contracts.labels import MIKELS_8
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
        },
        "understanding": {
            **{"accuracy": 0.81, "macro_f1": 0.8, "bayes": 0.867},
            "stages": {stage: {"accuracy": 0.7, "macro_f1": 0.69} for stage in stages},
        },
        "generation": {"emo_a": 0.75, "emo_a_real": 0.85, "diversity": 0.6, "diversity_real": 0.8},
        "seconds": {"compress": 61.0, "reinforce": 30.0, "unify": 100.0, "evaluate": 20.0, "total": 220.0},
        "peak_memory_bytes": 2 * 2**30,
        "seed": 7,
        "device": "cpu",
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "spec.yaml").write_text("emosym: 1\nname: tiny # <b>not a tag</b>\n")
    (folder / "provenance.json").write_text(json.dumps({"started": "2025-01-01T00:00:00+0000"}))
    ledger = [
        {
            "number": 1,
            "step": 40,
            "action": "admit",
            "image": "g1",
            "label": 0,
            "reason": "score 0.9",
            "detail": {},
        },
        {
            "number": 2,
            "step": 40,
            "action": "refuse",
            "image": "g2",
            "label": 1,
            "reason": "score 0.21 below 0.5",
            "detail": {},
        },
        {
            "number": 3,
            "step": 40,
            "action": "refuse",
            "image": "g3",
            "label": 1,
            "reason": "score 0.30 below 0.5",
            "detail": {},
        },
    ]
    (folder / "ledger.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in ledger))
    pictures = [Image.new("RGB", (64, 64), (40 * i, 90, 200 - 20 * i)) for i in range(6)]
    for name in ("generated", "real"):
        contact_sheet(dict.fromkeys(MIKELS_8, pictures)).save(folder / "sheets" / f"{name}.png")
    return folder
