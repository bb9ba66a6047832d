"""``python -m benchmarks [NAME …] [--pairs N]``: every figure, or those named; docs/benchmarks.json, and what has moved since it was
written."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.figures import all_figures
from benchmarks.pairs import Figure, Ratio, ratio
from emosym.cli.columns import columns

FILE = Path(__file__).parents[1] / "docs" / "benchmarks.json"
HEADER = ("figure", "ratio", "quartiles", "should be", "floor", "seconds", "", "what")


def row(figure: Figure, found: Ratio, before: Ratio | None) -> tuple[str, ...]:
    """A figure as the table shows it."""
    moved = before is not None and figure.moved(found, before)
    marks = ("" if figure.met(found) else "MISSED ") + (f"was {before.value:.3g}" if moved and before else "")
    return (
        figure.name,
        f"{found.value:.3g}",
        f"{found.low:.3g}–{found.high:.3g}",
        f"{'≥' if figure.at_least else '≤'} {figure.bound:g}",
        "" if figure.floor is None else f"{figure.floor:.3g}",
        f"{found.first:.3g} / {found.second:.3g}",
        marks.strip(),
        figure.says,
    )


def main(words: list[str]) -> int:
    """Measure, print, and write where all were measured."""
    asked = argparse.ArgumentParser("python -m benchmarks")
    asked.add_argument("names", nargs="*")
    asked.add_argument(
        "--pairs", type=int, default=7, help="how many times both things of a figure are timed"
    )
    options = asked.parse_args(words)
    torch.set_num_threads(1)
    before: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["figures"] if FILE.exists() else {}
    found: dict[str, Ratio] = {}
    rows = []
    with tempfile.TemporaryDirectory() as made:
        os.environ["EMOSYM_CACHE"] = f"{made}/cache"
        for figure, first, second in all_figures(Path(made)):
            if options.names and figure.name not in options.names:
                continue
            was = before.get(figure.name)
            found[figure.name] = ratio(first, second, options.pairs)
            rows.append(row(figure, found[figure.name], None if was is None else Ratio(**was)))
            print(" ".join(rows[-1][:2]), file=sys.stderr, flush=True)
    print(columns(HEADER, rows, numbers=(1,)))
    if not options.names:
        machine = {
            "machine": platform.machine(),
            "torch": torch.__version__,
            "date": time.strftime("%Y-%m-%d"),
        }
        figures = {name: asdict(one) for name, one in found.items()}
        FILE.write_text(json.dumps({**machine, "figures": figures}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
