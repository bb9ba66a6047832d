"""Text in columns: aligned for people, one row a line in a pipe, and no import that takes time."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

GAP = "  "


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table with a header; columns in ``numbers`` are aligned right. On a terminal the last column is wrapped."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(header))]
    lines = [_line(row, widths, numbers) for row in cells]
    if sys.stdout.isatty():
        indent = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
        lines = [_wrapped(line, indent) for line in lines]
        if not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
            lines[0] = f"\033[1m{lines[0]}\033[0m"
    return "\n".join(lines)


def _line(row: Sequence[str], widths: Sequence[int], numbers: Sequence[int]) -> str:
    aligned = [
        cell.rjust(width) if place in numbers else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return GAP.join(aligned).rstrip()


def _wrapped(line: str, indent: int) -> str:
    width = shutil.get_terminal_size().columns
    if len(line) <= width or width - indent < 20:
        return line
    parts = textwrap.wrap(line[indent:], width - indent)
    return "\n".join([line[:indent] + parts[0], *(" " * indent + part for part in parts[1:])])


def tables_of(summary: Mapping[str, Any]) -> str:
    """A run's tables and what it cost."""
    from emosym.report.tables import cost_line, tables

    return "\n\n".join(
        [*(columns(table.header, table.rows) for table in tables(summary)), cost_line(summary)]
    )
