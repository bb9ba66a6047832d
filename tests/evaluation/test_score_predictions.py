"""Predictions that other models made: their formats, and what is said where something does not fit."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from emosym_registry import EmosymError, Registry

from emosym.contracts import MIKELS_8, LabelSet
from emosym.evaluation.foreign import read_predictions
from emosym.evaluation.protocol import Protocol, load_protocol
from emosym.evaluation.score import score_predictions

CPU = torch.device("cpu")
LABELS = LabelSet(MIKELS_8)


@pytest.fixture
def choose(registry: Registry) -> Callable[[bool], Protocol]:
    return lambda named: load_protocol("predicted-names" if named else "predictions", registry)


def _table(count: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 8, count)
    table = chance.dirichlet(np.ones(8), count) + 0.5 * np.eye(8)[labels]
    return labels, table / table.sum(1, keepdims=True)


def _write(file: Path, rows: list[dict[str, Any]]) -> Path:
    match file.suffix:
        case ".csv":
            with file.open("w", newline="") as opened:
                writer = csv.DictWriter(opened, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        case ".jsonl":
            nested = [
                {
                    "id": row["id"],
                    "label": row["label"],
                    "probabilities": {name: row[f"probability/{name}"] for name in MIKELS_8},
                }
                for row in rows
            ]
            file.write_text("".join(json.dumps(row) + "\n" for row in nested))
        case ".parquet":
            table = pyarrow.Table.from_pylist(rows)
            facts = {b"emosym": json.dumps({"names": list(MIKELS_8), "split": "test"}).encode()}
            pyarrow.parquet.write_table(table.replace_schema_metadata(facts), file)
    return file


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_probabilities_of_any_model_in_three_formats(
    name: str, choose: Callable[[bool], Protocol], registry: Registry, tmp_path: Path
) -> None:
    labels, table = _table()
    rows = [
        {"id": f"{i}", "label": MIKELS_8[label] if name != "a.parquet" else int(label)}
        | {f"probability/{emotion}": float(p) for emotion, p in zip(MIKELS_8, row, strict=True)}
        for i, (label, row) in enumerate(zip(labels, table, strict=True))
    ]
    result = score_predictions(_write(tmp_path / name, rows), choose, registry, device=CPU)
    figures = result["results"]
    assert figures["accuracy"] == pytest.approx((table.argmax(1) == labels).mean())
    assert figures["kl_divergence"] == pytest.approx(-np.log(table[np.arange(40), labels]).mean())
    assert {
        "macro_f1",
        "ece",
        "wheel_distance",
        "positive_accuracy",
        "vote_distance",
        "cosine_similarity",
    } <= set(figures)
    assert result["predictions"]["probabilities"]
    assert result["protocol"]["name"] == "predictions"


def test_names_alone_are_not_taken_for_probabilities(
    choose: Callable[[bool], Protocol], registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "names.csv").write_text("id,label,prediction\n1,awe,Awe\n2,fear,anger\n3,anger,anger\n")
    result = score_predictions(tmp_path / "names.csv", choose, registry, device=CPU)
    assert result["results"]["accuracy"] == pytest.approx(2 / 3)
    assert "ece" not in result["results"]
    assert result["protocol"]["name"] == "predicted-names"
    assert not result["predictions"]["probabilities"]


def test_distributions_are_what_readings_are_held_to(
    choose: Callable[[bool], Protocol], registry: Registry, tmp_path: Path
) -> None:
    _, table = _table(12)
    rows = [
        {
            f"{kind}{emotion}": float(p)
            for kind in ("target/", "")
            for emotion, p in zip(MIKELS_8, row, strict=True)
        }
        for row in table
    ]
    result = score_predictions(_write(tmp_path / "votes.csv", rows), choose, registry, device=CPU)
    assert result["results"]["accuracy"] == 1.0
    assert result["results"]["kl_divergence"] == pytest.approx(0, abs=1e-9)
    assert result["results"]["cosine_similarity"] == pytest.approx(1)
    assert result["predictions"]["targets"]


def test_other_emotions_are_named_and_what_does_not_fit_them_is_left_out(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "two.csv").write_text("label,calm,tense\ncalm,0.9,0.1\ntense,0.6,0.4\n1,0.2,0.8\n")

    def choose(named: bool) -> Protocol:
        return load_protocol("predictions", registry, labels=["calm", "tense"])

    labels = LabelSet(("calm", "tense"))
    result = score_predictions(tmp_path / "two.csv", choose, registry, labels=labels, device=CPU)
    assert result["results"]["accuracy"] == pytest.approx(2 / 3)
    assert set(result["missing"]) == {"positive-accuracy", "wheel-distance"}


def test_everything_wrong_with_predictions_is_said_at_once(tmp_path: Path) -> None:
    header = "label," + ",".join(MIKELS_8)
    lines = [
        header,
        "awe,1,0,0,0,0,0,0,0",
        "aw,1,0,0,0,0,0,0,0",
        "awe,0.9,0.3,0,0,0,0,0,0",
        "awe,nan,0,0,0,0,0,0,0",
        "awe,1.5,-0.5,0,0,0,0,0,0",
    ]
    file = tmp_path / "bad.csv"
    file.write_text("\n".join(lines))
    with pytest.raises(EmosymError) as caught:
        read_predictions(file, None, LABELS)
    message = caught.value.message
    assert "has 4 problems" in message
    for words in (
        "line 3: label 'aw' is no emotion; did you mean \"awe\"?",
        "line 4: its probabilities sum to 1.2, not to 1",
        "line 5: amusement is no number",
        "line 6: awe is -0.5, below 0",
    ):
        assert words in message
    file.write_text("id,amusement,awe\n1,0.5,0.5\n")
    with pytest.raises(
        EmosymError, match=r"(?s)has 2 problems.*no column contentment, .*no column label"
    ) as caught:
        read_predictions(file, None, LABELS)
    assert "probability/EMOTION" in caught.value.hint
    (tmp_path / "bad.jsonl").write_text('{"label": "awe", "prediction": "awe"}\n{"label":\n')
    with pytest.raises(EmosymError, match="line 2 is no JSON object"):
        read_predictions(tmp_path / "bad.jsonl", None, LABELS)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(EmosymError, match="no readable Parquet"):
        read_predictions(tmp_path / "bad.parquet", None, LABELS)
