"""``study.md``, ``study.csv`` and ``study.json``."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emosym.report.study.results import Difference, Estimate, Results
from emosym.report.study.tables import StudyTable, letter, trained
from emosym.report.study.words import difference_text, estimate_text, pair_text, verdict

AGAIN = "The first command makes all of it; each of the others makes one run."
COLUMNS = (
    "kind", "row", "against", "figure", "title", "shown", "value", "low", "high", "standard_error", "seeds", "images",
    "effect", "p", "p_holm", "margin", "p_equivalence", "p_equivalence_holm", "verdict", "smallest_visible", "notes",
)  # fmt: skip


def markdown(
    results: Results,
    lead: str,
    tables: Sequence[StudyTable],
    measures: Sequence[tuple[str, str]],
    glossary: Sequence[tuple[str, str]],
) -> str:
    """The study as one Markdown page."""
    parts = [f"# {escaped(results.title)}", escaped(lead), *(escaped(note) for note in results.notes)]
    for one in tables:
        parts += [f"## {escaped(one.title)}", escaped(one.caption), table(one)]
        parts += (
            ["\n".join(f"- {escaped(f'[{letter(n)}] {note}')}" for n, note in enumerate(one.notes))]
            if one.notes
            else []
        )
    if results.commands or results.recipe:
        parts += ["## How to make it again", AGAIN, "```console\n" + "\n".join(results.commands) + "\n```"]
        parts += [f"{what}:\n\n```\n{text.rstrip()}\n```" for what, text in results.recipe]
    if measures:
        parts += [
            "## Figures in words",
            "\n".join(f"- **{name}**: {escaped(about)}" for name, about in measures),
        ]
    parts += ["## Words", "\n".join(f"- **{word}**: {escaped(meaning)}" for word, meaning in glossary)]
    return "\n\n".join(parts) + "\n"


def table(shown: StudyTable) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(escaped(cell) for cell in row) + " |" for row in (shown.header, *shown.rows)]
    return "\n".join([lines[0], "|" + "---|" * len(shown.header), *lines[1:]])


def escaped(text: str) -> str:
    """Text that means itself in a line of Markdown."""
    line = " ".join(text.split())
    return (
        re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", line)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
    )


def comma_separated(results: Results) -> str:
    """A line for each figure of each row, and for each difference: the shown text and the exact numbers."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    for line in _lines(results):
        writer.writerow({key: _cell(value) for key, value in line.items()})
    return buffer.getvalue()


def _lines(results: Results) -> Iterator[dict[str, Any]]:
    style = results.style
    for row in results.rows:
        for name in (*results.main, *results.others):
            if name in row.figures:
                found = row.figures[name]
                shown = estimate_text(style.about(name), found)
                yield {
                    "kind": "figure", "row": row.name, "figure": name, "title": style.title(name), "shown": shown,
                    **_numbers(found), "notes": "; ".join(found.notes),
                }  # fmt: skip
    for one in results.differences:
        about = style.about(one.figure)
        notes = (*(one.estimate.notes if one.estimate else ()), *one.notes)
        yield {
            "kind": "difference", "row": one.second, "against": one.first, "figure": one.figure, "title": about.title,
            "shown": difference_text(about, one), **(_numbers(one.estimate) if one.estimate else {}),
            "effect": one.effect, "p": one.p, "p_holm": one.corrected, "margin": one.margin,
            "p_equivalence": one.equivalence, "p_equivalence_holm": one.equivalence_corrected,
            "verdict": verdict(about, one), "smallest_visible": one.visible, "notes": "; ".join(notes),
        }  # fmt: skip


def _numbers(found: Estimate) -> dict[str, Any]:
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "standard_error": found.error,
        "seeds": found.seeds,
        "images": found.images,
    }


def _cell(value: Any) -> Any:
    """A value; a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )


def machine_readable(results: Results, tables: Sequence[StudyTable]) -> dict[str, Any]:
    """Everything, as plain values: what was computed, and the tables as they are shown."""
    style = results.style
    computed: dict[str, Any] = _plain(results)
    for row, source in zip(computed["rows"], results.rows, strict=True):
        for name, found in source.figures.items():
            row["figures"][name]["shown"] = estimate_text(style.about(name), found)
        row["trained_parameters"] = trained(source.runs)
    for one, found_difference in zip(computed["differences"], results.differences, strict=True):
        one |= _shown(results, found_difference)
    return {"study": 1, **computed, "tables": [_plain(table) for table in tables]}


def _shown(results: Results, one: Difference) -> dict[str, str]:
    about = results.style.about(one.figure)
    return {
        "shown": difference_text(about, one),
        "pair": pair_text(one),
        "verdict": verdict(about, one),
    }


def _plain(value: Any) -> Any:
    """Dataclasses as mappings, paths as text, numbers that JSON has not as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
