"""The tables of a run, for the terminal and for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from emosym.report.numbers import Style, clock
from emosym.spec.model import STAGES

Figures = Mapping[str, Any]


class Table(NamedTuple):
    """Text in rows, all as long as the header."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(summary: Figures) -> Iterator[Table]:
    """Understanding after each stage, its other figures, and generation beside real images; those that have anything."""
    style = Style.of(summary)
    understanding = summary.get("understanding") or {}
    measured = measured_when(summary)
    made = (
        _understanding(style, understanding, measured, summary.get("seconds") or {}),
        _others(style, measured),
        _generation(style, summary.get("generation") or {}),
    )
    yield from (table for table in made if table.rows)


def measured_when(summary: Figures) -> dict[str, Figures]:
    """The figures of understanding after each stage, or of the one evaluation there is, by what they are called."""
    understanding = summary.get("understanding") or {}
    after = understanding.get("stages") or {}
    stages = {f"after {stage}": after[stage] for stage in STAGES if stage in after}
    part = (summary.get("evaluation") or {}).get("split", "held out")
    return stages or ({part: understanding} if understanding else {})


def _understanding(
    style: Style, overall: Figures, measured: Mapping[str, Figures], seconds: Figures
) -> Table:
    names = style.headlines(*measured.values())
    rows = [
        (
            title,
            *(style.with_interval(figures, name) for name in names),
            clock(seconds[stage]) if (stage := title.removeprefix("after ")) in seconds else "",
        )
        for title, figures in measured.items()
    ]
    for beside in dict.fromkeys(style.beside(name) for name in names):
        if beside in overall:
            cells = (style.value(overall, beside) if style.beside(name) == beside else "" for name in names)
            rows.append((style.title(beside), *cells, ""))
    header = ("understanding", *(style.title(name) for name in names), "time")
    if not any(row[-1] for row in rows):
        return Table(header[:-1], [row[:-1] for row in rows])
    return Table(header, rows)


def _others(style: Style, measured: Mapping[str, Figures]) -> Table:
    rows = [
        (style.title(name), *(style.with_interval(figures, name) for figures in measured.values()))
        for name in style.others(list(measured.values()))
    ]
    return Table(("figure", *measured), rows)


def _generation(style: Style, generation: Figures) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            style.title(name),
            style.with_interval(generation, name),
            style.with_interval(generation, style.beside(name)) if style.beside(name) else "",
        )
        for name in [*style.headlines(generation), *style.others([generation])]
    ]
    return Table(("generation", "generated", "real"), rows)


def cost_line(summary: Figures) -> str:
    """Time, memory, device and seed in one line."""
    parts = []
    total = (summary.get("seconds") or {}).get("total")
    if total is not None:
        parts.append(f"{clock(total)} in all")
    if summary.get("peak_memory_bytes"):
        parts.append(f"peak memory {summary['peak_memory_bytes'] / 2**30:.1f} GiB")
    for kind, one in (summary.get("kept") or {}).items():
        asked = max(1, one["hits"] + one["misses"])
        parts.append(f"{one['hits'] / asked:.0%} of {kind} kept" + (" (budget spent)" if one["full"] else ""))
    parts += [f"{key} {summary[key]}" for key in ("device", "seed") if summary.get(key) is not None]
    return ", ".join(parts)
