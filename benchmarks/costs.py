"""What each stage of the demo costs: ``python -m benchmarks.costs`` runs it whole on one thread, and writes where the time went, by
phase and, within steps, by operator, into docs/performance.md."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from emosym_registry import load_registry
from torch.profiler import ProfilerActivity, profile

from benchmarks import page
from benchmarks.phases import Phases, of_a_run
from emosym.cli.columns import columns
from emosym.experiment.run import run_experiment
from emosym.spec import load_spec
from emosym.training import loop

PROFILED = range(20, 30)
"""Steps of each stage that are profiled."""
TOP = 5
Costs = dict[str, Counter[str]]


def watch_operators() -> Costs:
    """Microseconds by operator in the profiled steps of each stage of the run that comes next."""
    costs: Costs = {}
    whole = loop.one_step

    def profiled(prepared: Any, stage: Any, *given: Any) -> dict[str, float]:
        counted = costs.setdefault(stage.name, Counter())
        step = counted["steps"]
        counted["steps"] += 1
        if step not in PROFILED:
            return whole(prepared, stage, *given)
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            terms = whole(prepared, stage, *given)
        for one in seen.key_averages():
            counted[one.key.removeprefix("aten::")] += one.self_cpu_time_total
        return terms

    loop.one_step = profiled
    return costs


def shares(costs: Costs) -> list[tuple[str, ...]]:
    """A row a stage: its five dearest operators and their share of a step."""
    rows = []
    for stage, counted in costs.items():
        times = Counter({key: value for key, value in counted.items() if key != "steps"})
        dearest = times.most_common(TOP)
        rows.append((stage, *(f"{key} {value / times.total():.0%}" for key, value in dearest)))
    return rows


def spent(phases: Phases) -> list[tuple[str, ...]]:
    """A row a phase that took a hundredth of the time or more, the dearest first."""
    total = sum(phases.seconds.values())
    ordered = sorted(phases.seconds.items(), key=lambda one: -one[1])
    return [(name, f"{value:.1f}", f"{value / total:.0%}") for name, value in ordered if value >= total / 100]


def main(words: Sequence[str]) -> None:
    """Run the demo, or its spec with ``KEY=VALUE`` words, and print; without words write too."""
    torch.set_num_threads(1)
    costs, phases = watch_operators(), of_a_run()
    registry = load_registry()
    with tempfile.TemporaryDirectory() as made, phases.timed("the rest"):
        run_experiment(load_spec("preset:tiny", registry=registry, sets=words), registry, Path(made) / "run")
    by_phase = ("phase", "seconds", "share"), spent(phases)
    by_operator = ("steps of", *(f"{i + 1}." for i in range(TOP))), shares(costs)
    for header, rows in (by_phase, by_operator):
        print(columns(header, rows), "\n")
    if not words:
        tables = [page.table(header, rows) for header, rows in (by_phase, by_operator)]
        page.fill("costs", "\n\n".join((*tables, f"Machine: {page.machine()}, one thread.")))


if __name__ == "__main__":
    main(sys.argv[1:])
