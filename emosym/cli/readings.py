"""Readings of pictures as people and programs take them: JSON, CSV, Parquet, a table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emosym_registry import EmosymError

from emosym.cli.columns import columns

if TYPE_CHECKING:
    from emosym.contracts import Reading

Write = Callable[[Path, "Reading"], None]
TEXTS = ("image", "emotion", "text", "reason/")
"""How the columns that hold text begin."""
ROWS = 4096
"""Rows that are kept until they are written to a Parquet file together."""


def as_dict(path: Path, reading: Reading) -> dict[str, object]:
    """A reading as JSON shows it; ``reasons`` only where somebody asked why, ``embedded`` only where it is true: models that
    know no photographs."""
    probabilities = {name: round(value, 6) for name, value in reading.probabilities.items()}
    shown: dict[str, object] = {
        "image": _name(path),
        "emotion": reading.emotion,
        "positive": None if reading.positive is None else round(reading.positive, 6),
        "probabilities": probabilities,
        **({} if reading.text is None else {"text": reading.text}),
        **({"embedded": True} if reading.embedded else {}),
    }
    if reading.reasons:
        shown["reasons"] = [
            {"text": reason.text, "similarity": round(reason.similarity, 6)} for reason in reading.reasons
        ]
    return shown


def as_table(readings: Sequence[tuple[Path, Reading]]) -> str:
    """Readings for people: the emotion, its probability, that of any positive one, the runners-up, the reason where the
    system wrote any, and where somebody asked why the knowledge nearest to what it saw with its similarity, one a line."""
    rows: list[tuple[str, ...]] = []
    written = any(reading.text is not None for _, reading in readings)
    explained = any(reading.reasons for _, reading in readings)
    for path, reading in readings:
        ranked = sorted(reading.probabilities.items(), key=lambda item: -item[1])
        others = ", ".join(f"{name} {value:.2f}" for name, value in ranked[1:3])
        positive = "" if reading.positive is None else f"{reading.positive:.2f}"
        row: tuple[str, ...] = (_name(path), reading.emotion, f"{ranked[0][1]:.2f}", positive, others)
        if written:
            row = (*row, reading.text or "")
        if not explained:
            rows.append(row)
        for number, reason in enumerate(reading.reasons):
            rows.append((*(row if not number else ("",) * len(row)), f"{reason.similarity:.2f}", reason.text))
    header = ("image", "emotion", "p", "positive", "next", *(["reason"] if written else []))
    if explained:
        return columns((*header, "cosine", "why"), rows, numbers=(2, 3, len(header)))
    return columns(header, rows, numbers=(2, 3))


def require_writable(out: Path) -> None:
    """Refuse a file that readings cannot be written to, before any work is done for it.

    Errors: ``understand.unknown-format``, ``run.cannot-write``.
    """
    if out.suffix.lower() not in FORMATS:
        raise EmosymError(
            "understand.unknown-format",
            f"--out {out}: readings are written as {', '.join(FORMATS)}, by the end of the file's name",
            hint=f"for example --out {out.with_suffix('.jsonl') if out.name else 'readings.jsonl'}",
        )
    if out.is_dir():
        raise EmosymError("run.cannot-write", f"--out {out}: it is a folder", hint="name a file")
    from emosym.toolkit import make_folder

    make_folder(out.parent)


@contextmanager
def writing(out: Path, names: Sequence[str], *, texts: bool = False, reasons: int = 0) -> Iterator[Write]:
    """A function that adds the reading of a picture to ``out``, which is written whole or not at all; ``names`` are the
    emotions, ``texts`` says whether the system writes its reason, ``reasons`` how many a reading has of the knowledge."""
    from emosym.toolkit import written_whole

    keys = [*_row_names(names, reasons), *(["text"] if texts else [])]
    with written_whole(out) as partial, FORMATS[out.suffix.lower()](partial, keys) as write:
        yield write


@contextmanager
def _json_lines(file: Path, keys: Sequence[str]) -> Iterator[Write]:
    with file.open("w", encoding="utf-8") as lines:
        yield lambda path, reading: print(json.dumps(as_dict(path, reading)), file=lines)


@contextmanager
def _csv(file: Path, keys: Sequence[str]) -> Iterator[Write]:
    import csv

    with file.open("w", encoding="utf-8", newline="") as lines:
        table = csv.DictWriter(lines, keys)
        table.writeheader()
        yield lambda path, reading: table.writerow(_row(path, reading))


@contextmanager
def _parquet(file: Path, keys: Sequence[str]) -> Iterator[Write]:
    import pyarrow
    import pyarrow.parquet

    rows = list[dict[str, Any]]()
    schema = pyarrow.schema(
        [(name, pyarrow.string() if name.startswith(TEXTS) else pyarrow.float64()) for name in keys]
    )
    with pyarrow.parquet.ParquetWriter(file, schema) as table:

        def write(path: Path, reading: Reading) -> None:
            rows.append(_row(path, reading))
            if len(rows) == ROWS:
                flush()

        def flush() -> None:
            table.write_table(pyarrow.Table.from_pylist(rows, schema))
            rows.clear()

        yield write
        flush()


FORMATS: dict[str, Callable[[Path, Sequence[str]], AbstractContextManager[Write]]] = {
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet,
}
"""What writes a file, by the end of its name."""


def _row_names(names: Sequence[str], reasons: int) -> list[str]:
    why = [f"{column}/{number}" for number in range(1, reasons + 1) for column in ("reason", "similarity")]
    return ["image", "emotion", "positive", *(f"probability/{name}" for name in names), *why]


def _row(path: Path, reading: Reading) -> dict[str, Any]:
    probabilities = {f"probability/{name}": value for name, value in reading.probabilities.items()}
    why: dict[str, Any] = {}
    for number, reason in enumerate(reading.reasons, start=1):
        why |= {f"reason/{number}": reason.text, f"similarity/{number}": reason.similarity}
    return {
        "image": _name(path),
        "emotion": reading.emotion,
        "positive": reading.positive,
        **probabilities,
        **({} if reading.text is None else {"text": reading.text}),
        **why,
    }


def _name(path: Path) -> str:
    """The path as text that every format can hold, whatever bytes the file is called by."""
    return os.fsencode(path).decode("utf-8", "replace")
