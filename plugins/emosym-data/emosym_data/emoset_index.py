"""Reading EmoSet's index files, which come with three columns (the real files) and four (its README)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from emosym_registry.errors import unknown

from emosym.contracts import MIKELS_8
from emosym_data.findings import Findings


@dataclass(frozen=True)
class Row:
    """One image of an index: paths are relative to the root, with forward slashes."""

    emotion: str
    id: str
    image: str
    annotation: str


def read_json(file: Path, findings: Findings, what: str) -> Any:
    """The content of ``file``, None with a finding where it is missing or broken."""
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        findings.add(f"missing {what}", f"{file}: no such file; {what} belongs there")
    except json.JSONDecodeError as error:
        findings.add(
            "not JSON",
            f"{file}:{error.lineno}:{error.colno}: not JSON ({error.msg}); download or write it again",
        )
    except (OSError, UnicodeDecodeError) as error:
        findings.add(
            "unreadable file", f"{file}: cannot be read ({error}); check its permissions and encoding"
        )
    return None


def read_emotions(root: Path, findings: Findings) -> tuple[str, ...]:
    """The emotions of ``info.json``, in its order; Mikels' eight where it cannot be read."""
    file = root / "info.json"
    info = read_json(file, findings, "EmoSet's label map")
    if info is None:
        return MIKELS_8
    try:
        inner = (
            info["emotion"] if isinstance(info.get("emotion"), dict) else info
        )  # EmoSet's own file is flat
        numbers = {str(name): int(number) for name, number in inner["label2idx"].items()}
    except (KeyError, TypeError, AttributeError, ValueError):
        findings.add(
            "bad info.json",
            f"{file}: no emotion.label2idx or label2idx; it must map each emotion to a number",
        )
        return MIKELS_8
    return tuple(sorted(numbers, key=lambda name: numbers[name]))


def read_index(file: Path, emotions: Sequence[str], findings: Findings) -> list[Row]:
    """The sound rows of an index file; each unsound one is a finding with its line."""
    content = read_json(file, findings, f"the index of {file.stem}")
    if content is None:
        return []
    if not isinstance(content, list):
        findings.add("bad index", f"{file}: a list of rows is expected, found {type(content).__name__}")
        return []
    rows: list[Row] = []
    wrong: list[tuple[int, str, str]] = []
    for number, cells in enumerate(content):
        row = _row(cells)
        if isinstance(row, str):
            wrong.append((number, "bad row", row))
        elif row.emotion not in emotions:
            error = unknown("data.unknown-label", "emotion", row.emotion, emotions)
            wrong.append((number, "unknown emotion", f"{error.message}; {error.hint}"))
        else:
            rows.append(row)
    if wrong:
        lines = _row_lines(file.read_text(encoding="utf-8-sig"))
        for number, kind, what in wrong:
            findings.add(kind, f"{file}:{lines[number]}: row {number + 1}: {what}")
    return rows


def _row(cells: Any) -> Row | str:
    """The row, or what is wrong with it."""
    if not isinstance(cells, list) or len(cells) not in (3, 4):
        seen = f"{len(cells)} columns" if isinstance(cells, list) else type(cells).__name__
        return f"{seen}; 3 (emotion, image, annotation) or 4 (emotion, id, image, annotation) are expected"
    if not all(isinstance(cell, str) and cell for cell in cells):
        return "a column is empty or not text; emotion and paths are expected"
    image, annotation = (PurePosixPath(cell.replace("\\", "/")) for cell in cells[-2:])
    if any(path.is_absolute() or ".." in path.parts for path in (image, annotation)):
        return "a path leaves the folder; paths must be relative to the root"
    return Row(cells[0], cells[1] if len(cells) == 4 else image.stem, str(image), str(annotation))


def _row_lines(text: str) -> list[int]:
    """The line on which each element of a JSON list begins."""
    decoder = json.JSONDecoder()
    lines: list[int] = []
    position, line, counted = text.index("[") + 1, 1, 0
    while True:
        while text[position] in " \t\r\n,":
            position += 1
        if text[position] == "]":
            return lines
        line += text.count("\n", counted, position)
        counted = position
        lines.append(line)
        _, position = decoder.raw_decode(text, position)
