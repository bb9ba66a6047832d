"""What a step of every stage takes: seconds, images and tokens a second, share of the card's peak, memory beside its forecast;
attention kernels, torch.compile, and plain textual inversion beside them.

    python -m benchmarks.gpu --size real --device cuda

``real`` is Qwen2-VL-2B and Stable Diffusion 1.5 with random weights, made on the spot (7 GB of scratch space) and trained by the
paper's stages on pictures made by chance. ``small`` is the embedded models. Names choose what is measured: ``compress``,
``compress/lora``, ``unify/frozen/xformers``, ``textual-inversion``. What cannot be measured has a row that says why.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from torch._dynamo.exc import TorchDynamoException

from benchmarks.gpu.bench import SIZES, Bench
from benchmarks.gpu.card import card_of
from benchmarks.gpu.cases import Case, all_cases
from benchmarks.gpu.rows import Results, Row, missing
from emosym.cli.columns import columns
from emosym.precision import choose_device, choose_precision

FILE = Path(__file__).parents[2] / "docs" / "gpu.json"
NOT_HERE = (EmosymError, ImportError, torch.OutOfMemoryError, TorchDynamoException)
"""What a machine raises that lacks a package, a compiler or memory."""


def measured(case: Case, bench: Bench) -> list[Row]:
    """The rows of a case; where it breaks off, those before and why."""
    rows: list[Row] = []
    try:
        rows.extend(case.measure(bench))
        return rows
    except NOT_HERE as error:
        why = f"not available: {first_line(error)}"
    except Exception as error:  # the others are worth their time on a card all the same
        why = f"failed: {type(error).__name__}: {first_line(error)}"
    bench.forget()
    return [*rows, missing(case.name, why)]


def measure(cases: Sequence[Case], bench: Bench, results: Results, budget: float) -> dict[str, Row]:
    """Measure one case after the other, none that would begin after ``budget`` seconds; the rows of all."""
    start = time.perf_counter()
    found: dict[str, Row] = {}
    for case in cases:
        late = time.perf_counter() - start > budget
        rows = (
            [missing(case.name, f"not measured: {budget:g} s were over")] if late else measured(case, bench)
        )
        found |= {one.name: one for one in rows}
        if not (late and results.measured(case.name)):
            results.replace(case.name, rows)
        print(
            case.name,
            rows[-1].note if rows[-1].name.endswith("/missing") else "done",
            file=sys.stderr,
            flush=True,
        )
    return found


def table(rows: Sequence[Row]) -> str:
    """Rows as lines of columns."""
    marks = {True: "met", False: "MISSED", None: ""}
    lines = [
        (
            one.name,
            "–" if one.value is None else f"{one.value:.3g}",
            one.unit,
            one.target,
            marks[one.met],
            one.note,
        )
        for one in rows
    ]
    return columns(("row", "value", "unit", "target", "", "note"), lines, numbers=(1,))


def main(words: Sequence[str]) -> int:
    """Measure, print and write; 1 where something failed."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*")
    parser.add_argument("--size", choices=tuple(SIZES), default="small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, help="pictures a step of every stage; the size's own by default")
    parser.add_argument(
        "--budget", type=float, default=float("inf"), help="seconds after which nothing more begins"
    )
    parser.add_argument(
        "--out", type=Path, help="file of the rows; docs/gpu.json for --size real on a card, else none"
    )
    options = parser.parse_args(words)
    cases = [case for case in all_cases() if case.asked(options.names)]
    if not cases:
        parser.error(f"nothing has these names; there are {', '.join(case.name for case in all_cases())}")
    size, device = SIZES[options.size], choose_device(options.device)
    if options.batch:
        size = replace(size, batches=dict.fromkeys(size.batches, options.batch))
    precision = choose_precision("auto", device) if device.type == "cuda" else "fp32"
    on_card = options.size == "real" and device.type == "cuda"
    machine: dict[str, Any] = {
        "card": card_of(device), "machine": platform.machine(), "size": options.size, "batches": dict(size.batches),
        "precision": precision, "torch": torch.__version__, "transformers": transformers.__version__,
        "diffusers": diffusers.__version__,
    }  # fmt: skip
    results = Results(options.out or (FILE if on_card else None), machine)
    with tempfile.TemporaryDirectory(prefix="emosym-gpu-") as scratch:
        found = measure(cases, Bench(size, device, precision, Path(scratch)), results, options.budget)
    print(table([*found.values()]))
    return int(any(one.note.startswith("failed") for one in found.values()))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
