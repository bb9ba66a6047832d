"""Predictions that any model made: CSV, JSON lines and Parquet, brought into what metrics of understanding read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from emosym_registry import EmosymError, did_you_mean
from emosym_registry.errors import capped, plural, some
from numpy.typing import NDArray

from emosym.contracts import LabelSet, Sample
from emosym.evaluation.shown import csv_rows

PROBABILITY, TARGET = "probability/", "target/"
READ = ("prediction", "predicted", "emotion")
"""Columns that may hold the name of what was read; ``emotion`` is what ``emosym understand`` writes."""
TRUE = ("label", "target")
"""Columns that may hold what is right; ``target`` is what a run writes of the pictures that it made."""
TOLERANCE = 1e-3
HINT = (
    "columns: label (a name or its index) or target/EMOTION for every emotion; and probability/EMOTION (or EMOTION alone) "
    "for every emotion, or prediction (a name)"
)
Row = Mapping[str, Any]


@dataclass
class Predictions:
    """``probabilities`` [N,C] of ``samples``; one-hot where the file has names alone (``named``)."""

    samples: list[Sample]
    probabilities: NDArray[np.float64]
    named: bool


@dataclass
class _Table:
    """Rows, the words for where each of them is, and what is wrong."""

    rows: Sequence[Row]
    places: Sequence[str]
    labels: LabelSet
    problems: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def numbers(self, names: Sequence[str], what: str) -> NDArray[np.float64]:
        """[N,C] of the columns ``names``; what is no distribution is a problem."""
        table = np.full((len(self.rows), len(names)), np.nan)
        for number, row in enumerate(self.rows):
            for column, name in enumerate(names):
                table[number, column] = _number(row.get(name))
        for place, values in zip(self.places, table, strict=True):
            if not np.isfinite(values).all():
                bad = names[int(np.flatnonzero(~np.isfinite(values))[0])]
                self.problems.append(f"{place}: {bad} is no number")
            elif values.min() < 0:
                self.problems.append(f"{place}: {names[int(values.argmin())]} is {values.min():g}, below 0")
            elif abs(values.sum() - 1) > TOLERANCE:
                self.problems.append(f"{place}: its {what} sum to {values.sum():.4g}, not to 1")
        return table

    def emotions(self, column: str) -> list[int]:
        """The emotions that a column names, by name or index; -1 where that is a problem."""
        found = []
        for place, row in zip(self.places, self.rows, strict=True):
            index = _index(row.get(column), self.labels)
            if index is None:
                word = str(row.get(column, ""))
                near = did_you_mean(word, self.labels.names)
                self.problems.append(f"{place}: {column} {word!r} is no emotion{near and f'; {near}'}")
            found.append(-1 if index is None else index)
        return found


def read_predictions(
    file: Path, labels: LabelSet | None, otherwise: LabelSet
) -> tuple[Predictions, LabelSet]:
    """The predictions of a file and their emotions: ``labels``, else those that the file itself names, else
    ``otherwise``.

    Errors: ``score.bad-predictions`` with everything that is wrong, ``score.bad-csv``.
    """
    rows, places, named = _rows(file)
    labels = labels or named or otherwise
    table = _Table(rows, places, labels)
    if not rows:
        raise EmosymError("score.bad-predictions", f"{file}: no predictions in it", hint=HINT)
    probabilities, by_name = _probabilities(table)
    targets, own = _truth(table)
    if table.problems:
        shown = "\n".join(f"  {line}" for line in capped(table.problems))
        raise EmosymError(
            "score.bad-predictions",
            f"{file} has {plural(len(table.problems), 'problem')}:\n{shown}",
            hint=f"emotions are {', '.join(labels.names)}; {HINT}",
        )
    samples = [
        Sample(
            str(row.get("id") or place),
            (),
            own[number] if own is not None else None,
            target=None if targets is None else tuple((targets[number] / targets[number].sum()).tolist()),
        )
        for number, (row, place) in enumerate(zip(rows, places, strict=True))
    ]
    return Predictions(samples, probabilities / probabilities.sum(1, keepdims=True), by_name), labels


def _probabilities(table: _Table) -> tuple[NDArray[np.float64], bool]:
    """[N,C], and whether they stand for names alone."""
    names = table.labels.names
    for prefix in (PROBABILITY, ""):
        columns = [f"{prefix}{name}" for name in names]
        present = [name for name in columns if name in table.columns]
        if present and (prefix or len(present) > 1):
            missing = [name for name in columns if name not in table.columns]
            if missing:
                table.problems.append(f"no column {some(missing, 20)}, beside {some(present, 20)}")
                return np.eye(len(names))[:1].repeat(len(table.rows), 0), False
            return table.numbers(columns, "probabilities"), False
    column = next((name for name in READ if name in table.columns), None)
    if column is None:
        table.problems.append("neither probabilities nor a column prediction")
        return np.eye(len(names))[:1].repeat(len(table.rows), 0), False
    return np.eye(len(names))[table.emotions(column)], True


def _truth(table: _Table) -> tuple[NDArray[np.float64] | None, list[int] | None]:
    """Distributions [N,C], labels [N], or both, as the file has them."""
    columns = [f"{TARGET}{name}" for name in table.labels.names]
    present = [name for name in columns if name in table.columns]
    missing = [name for name in columns if name not in table.columns]
    if present and missing:
        table.problems.append(f"no column {some(missing, 20)}, beside {some(present, 20)}")
        return None, None
    targets = table.numbers(columns, "targets") if present else None
    column = next((name for name in TRUE if name in table.columns), None)
    own = table.emotions(column) if column is not None else None
    if targets is None and own is None:
        table.problems.append("no column label and no columns target/EMOTION: what is right?")
    return targets, own


def _rows(file: Path) -> tuple[list[Row], list[str], LabelSet | None]:
    """Rows, where each is, and the emotions that the file itself names."""
    if not file.is_file():
        raise EmosymError("score.bad-predictions", f"{file}: no such file", hint="check the path")
    match file.suffix.lower():
        case ".parquet":
            return _parquet(file)
        case ".jsonl" | ".ndjson" | ".json":
            return *_json(file), None
    numbered = list(csv_rows(file))
    return [row for _, row in numbered], [f"line {line}" for line, _ in numbered], None


def _parquet(file: Path) -> tuple[list[Row], list[str], LabelSet | None]:
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            table = opened.read()
    except (OSError, ValueError) as error:  # pyarrow's own errors are among them
        raise EmosymError("score.bad-predictions", f"{file}: no readable Parquet: {error}") from error
    kept = (table.schema.metadata or {}).get(b"emosym")
    names = json.loads(kept).get("names") if kept else None
    rows = table.to_pylist()
    return rows, [f"row {number}" for number in range(len(rows))], LabelSet(tuple(names)) if names else None


def _json(file: Path) -> tuple[list[Row], list[str]]:
    """One object a line, or one list of objects."""
    text = file.read_text(encoding="utf-8-sig")
    rows: list[Row] = []
    places: list[str] = []
    try:
        if text.lstrip().startswith("["):
            rows = [_flat(one) for one in json.loads(text)]
            places = [f"entry {number}" for number in range(len(rows))]
        else:
            for number, line in enumerate(text.splitlines(), 1):
                if line.strip():
                    rows.append(_flat(json.loads(line)))
                    places.append(f"line {number}")
    except (ValueError, AttributeError) as error:
        raise EmosymError(
            "score.bad-predictions",
            f"{file}: line {len(rows) + 1} is no JSON object: {error}",
            hint="one object a line, as emosym understand writes them",
        ) from error
    return rows, places


def _flat(row: Mapping[str, Any]) -> Row:
    """``{"probabilities": {"awe": 0.7}}`` as ``{"probability/awe": 0.7}``, and ``target`` likewise."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        prefix = {"probabilities": PROBABILITY, "target": TARGET, "targets": TARGET}.get(name)
        if prefix and isinstance(value, Mapping):
            flat |= {f"{prefix}{emotion}": share for emotion, share in value.items()}
        else:
            flat[name] = value
    return flat


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _index(value: Any, labels: LabelSet) -> int | None:
    """An emotion by name or by index."""
    text = str(value).strip()
    if text.isdecimal() and text not in labels.names:
        return int(text) if int(text) < len(labels) else None
    try:
        return labels.index(text)
    except EmosymError:
        return None
