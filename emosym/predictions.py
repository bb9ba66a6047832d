"""Predictions: what an evaluation saw in every single image, kept as Parquet for statistics over images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from numpy.typing import NDArray

from emosym.toolkit import written_whole

if TYPE_CHECKING:
    import pyarrow

METADATA = b"emosym"
"""The key of a file's own facts: JSON with ``names`` and ``split``."""
PROBABILITY, FIGURE = "probability/", "figure/"


@dataclass(frozen=True)
class Predictions:
    """One row an image: a labelled held-out image that was read, or a picture that the system made."""

    names: tuple[str, ...]
    """The C emotions, in the order of the columns of ``probabilities``."""
    split: str
    """The part of the data that the evaluation was on."""
    ids: tuple[str, ...]
    """The N samples' ids; of made pictures the names of their files."""
    labels: NDArray[np.int64]
    """[N], the annotated emotions, or those that the pictures were made for."""
    probabilities: NDArray[np.float64] | None
    """[N,C], the system's readings; of made pictures the evaluation judge's, None without one."""
    figures: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """[N] each, every image's contribution to the figures that are means over images."""
    seeds: NDArray[np.int64] | None = None
    """[N], what the pictures were made from; None where nothing was made."""
    prompts: tuple[str, ...] | None = None
    """N texts that the pictures were made from; None where nothing was made."""


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write a Parquet file, whole or not at all.

    Columns: ``id``, ``label`` (of made pictures ``target``, ``seed`` and ``prompt``), ``probability/NAME`` for each
    emotion, and ``figure/NAME`` for each figure. Errors: those of :func:`emosym.toolkit.written_whole`.
    """
    import pyarrow.parquet

    table = _table(predictions)
    with written_whole(path) as partial:
        pyarrow.parquet.write_table(table, partial)


def read_predictions(path: Path | str) -> Predictions:
    """What :func:`write_predictions` has written; without torch. Errors: ``predictions.unreadable``."""
    import pyarrow.parquet

    try:
        # Not read_table, which takes a folder of such files for one and the path's own KEY=VALUE parts for columns.
        with pyarrow.parquet.ParquetFile(path) as file:
            return _predictions(file.read())
    except EmosymError:
        raise
    except Exception as error:  # pyarrow raises several, and a foreign file lacks what it lacks
        raise EmosymError(
            "predictions.unreadable",
            f"{path}: not a whole file of predictions: {_why(error)}",
            hint="emosym writes them under RUN/evaluation; measure again with: emosym evaluate RUN",
        ) from error


def _why(error: Exception) -> str:
    return str(error.args[0]) if isinstance(error, KeyError) else first_line(error)


def _table(predictions: Predictions) -> pyarrow.Table:
    import pyarrow

    made = predictions.seeds is not None
    columns: dict[str, Any] = {
        "id": pyarrow.array(predictions.ids, pyarrow.string()),
        "target" if made else "label": pyarrow.array(predictions.labels, pyarrow.int32()),
    }
    if made:
        columns["seed"] = pyarrow.array(predictions.seeds, pyarrow.int64())
        columns["prompt"] = pyarrow.array(predictions.prompts, pyarrow.string())
    if predictions.probabilities is not None:
        for name, column in zip(predictions.names, predictions.probabilities.T, strict=True):
            columns[PROBABILITY + name] = pyarrow.array(column, pyarrow.float64())
    for name, values in predictions.figures.items():
        columns[FIGURE + name] = pyarrow.array(values, pyarrow.float64())
    facts = json.dumps({"names": predictions.names, "split": predictions.split})
    return pyarrow.table(columns).replace_schema_metadata({METADATA: facts.encode()})


def _predictions(table: pyarrow.Table) -> Predictions:
    metadata = table.schema.metadata or {}
    if METADATA not in metadata:
        raise ValueError("it is Parquet, but not of emosym")
    facts = json.loads(metadata[METADATA])
    names, columns = tuple(map(str, facts["names"])), table.column_names
    made = "target" in columns
    judged = any(column.startswith(PROBABILITY) for column in columns) or not made
    rows = [_numbers(table, PROBABILITY + name) for name in names] if judged else []
    return Predictions(
        names=names,
        split=str(facts["split"]),
        ids=_texts(table, "id"),
        labels=_numbers(table, "target" if made else "label").astype(np.int64),
        probabilities=np.stack(rows, axis=1).astype(np.float64) if judged else None,
        figures={
            column.removeprefix(FIGURE): _numbers(table, column).astype(np.float64)
            for column in columns
            if column.startswith(FIGURE)
        },
        seeds=_numbers(table, "seed").astype(np.int64) if made else None,
        prompts=_texts(table, "prompt") if made else None,
    )


def _texts(table: pyarrow.Table, column: str) -> tuple[str, ...]:
    return tuple(map(str, table[column].to_pylist()))


def _numbers(table: pyarrow.Table, column: str) -> NDArray[Any]:
    """A column without gaps. A gap would turn whole numbers into NaN."""
    values = table[column]
    if values.null_count:
        raise ValueError(f"column {column} has {values.null_count} gaps")
    numbers: NDArray[Any] = values.to_numpy()
    if numbers.dtype.kind not in "iuf":
        raise ValueError(f"column {column} holds no numbers")
    return numbers
