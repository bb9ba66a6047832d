"""``python -m benchmarks [NAME …] [--times N]``: every figure, or those named; docs/performance.json and the table of
docs/performance.md, and what has moved since they were written."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import page
from benchmarks.figures import all_figures
from benchmarks.pairs import moved
from emosym.cli.columns import columns

FILE = page.DOCS / "performance.json"
HEADER = ("figure", "value", "quartiles", "target", "floor", "", "what")

Record = dict[str, Any]


def row(record: Record, before: Record | None) -> tuple[str, ...]:
    """A figure as the table shows it."""
    low, high = record["spread"]
    was = f"was {before['value']:.3g}" if before is not None and moved(record, before) else ""
    unit = "" if record["unit"] == "×" else f" {record['unit']}"
    return (
        record["name"],
        f"{record['value']:.3g}{unit}",
        f"{low:.3g}–{high:.3g}",
        record["target"],
        "" if record["floor"] is None else f"{record['floor']:.3g}",
        " ".join(filter(None, ("" if record["met"] else "MISSED", was))),
        record["says"],
    )


def read(file: Path) -> list[Record]:
    """The records of a file; none where it is not there."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def kept(file: Path, found: Sequence[Record]) -> list[Record]:
    """The records of a file with those that were measured now in their place, and new ones at the end."""
    records = {record["name"]: record for record in (*read(file), *found)}
    return list(records.values())


def write(records: Sequence[Record]) -> None:
    """The file, and the table of the page."""
    FILE.write_text(json.dumps(list(records), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    header = ("figure", "what", "measured", "quartiles", "target", "floor", "met")
    rows = [
        (name, says + (f": {one['note']}" if one["note"] else ""), value, spread, target, floor, met)
        for one in records
        for name, value, spread, target, floor, _, says in [row(one, None)]
        for met in ["yes" if one["met"] else "**no**"]
    ]
    machines = "; ".join(dict.fromkeys(one["machine"] for one in records))
    page.fill("figures", f"{page.table(header, rows)}\n\nMachine: {machines}.")


def main(words: list[str]) -> int:
    """Measure, print and write; 2 where a name is not known."""
    asked = argparse.ArgumentParser("python -m benchmarks")
    asked.add_argument("names", nargs="*")
    asked.add_argument(
        "--times", type=int, default=7, help="how many times a figure is measured (default: 7)"
    )
    options = asked.parse_args(words)
    torch.set_num_threads(1)
    machine, before = page.machine(), {one["name"]: one for one in read(FILE)}
    found: list[Record] = []
    with tempfile.TemporaryDirectory() as made:
        os.environ["EMOSYM_CACHE"] = f"{made}/cache"
        for figure, measure in all_figures(Path(made)):
            if options.names and figure.name not in options.names:
                continue
            found.append(figure.record(measure(options.times), machine))
            print(" ".join(row(found[-1], before.get(figure.name))[:2]), file=sys.stderr, flush=True)
    if unknown := sorted({*options.names} - {one["name"] for one in found}):
        print(f"no figure is called {', '.join(unknown)}; all are in docs/performance.md", file=sys.stderr)
        return 2
    rows = [row(one, before.get(one["name"])) for one in found]
    print(columns(HEADER, rows, numbers=(1,)))
    write(kept(FILE, found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
