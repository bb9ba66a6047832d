"""Running a study: its folder, the workers on it, and what is shown meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from emosym_registry import EmosymError, Registry, did_you_mean

from emosym.ablation import cost, executors, results
from emosym.ablation.folder import Planned, StudyFolder
from emosym.ablation.study import Study
from emosym.ablation.table import results_of
from emosym.ablation.worker import Options
from emosym.contracts import LabelSet
from emosym.report.numbers import clock
from emosym.report.study.results import Results
from emosym.spec.text import block, inline
from emosym.toolkit import megabytes, read_json

Executor = Literal["local", "ray", "slurm"]
Say = Callable[[str], None]
EVERY = 30.0
"""Seconds between lines that say nothing but that the study goes on."""


@dataclass
class Watch:
    """What is said of a study while others work on it: a line for each cell that ends, and now and then how far it is."""

    folder: StudyFolder
    study: Study
    say: Say
    processes: int
    ended: set[str] = field(default_factory=set)
    known: cost.Timings = field(default_factory=cost.Timings)
    said: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.specs = {cell.digest: cell.resolved.data() for cell in self.study.cells}
        self.cells = self.folder.cells()
        list(self._new())  # what has ended before is no news

    def _new(self) -> Iterator[tuple[Planned, str]]:
        """The cells that have ended since somebody last asked."""
        for cell in self.cells:
            if cell.name not in self.ended and (state := self.folder.state(cell)) in ("done", "failed"):
                self.ended.add(cell.name)
                if state == "done":
                    self.known.add(self.folder.run(cell), self.specs[cell.digest])
                yield cell, state

    def __call__(self) -> None:
        """Look at the folder and say what is new."""
        for cell, state in self._new():
            self.said = time.monotonic()
            what = "done" if state == "done" else f"failed: {self.folder.failure(cell)['message']}"
            self.say(f"{self.progress()}: {', '.join(cell.rows)}, seed {cell.seed}: {what}")
        if time.monotonic() - self.said > EVERY:
            self.said = time.monotonic()
            self.say(self.progress())

    def progress(self) -> str:
        """How many cells have ended, and the time that is left."""
        left = cost.left(self.folder, self.cells, self.specs, self.known, nearly=True)
        time_left = f", about {clock(left.seconds / self.processes)} left" if left.seconds else ""
        return f"{len(self.ended)} of {len(self.cells)} cells{time_left}"


def ablate(
    study: Study,
    folder: StudyFolder,
    *,
    executor: Executor = "local",
    processes: int = 1,
    options: Options | None = None,
    retry: bool = False,
    parameters: Mapping[str, Any] | None = None,
    say: Say = print,
) -> list[Planned]:
    """Run every cell of a study that is not done; returns its cells.

    Whoever else works on the folder shares the work. ``retry`` tries again what has failed. ``parameters`` are the
    executor's own. A cell that fails stops no other. Errors: ``study.worker-died``, ``study.no-executor``,
    ``run.cannot-write``.
    """
    options = options or Options()
    folder.write(study, smoke=options.smoke)
    cells = folder.cells()
    for cell in cells if retry else ():
        folder.forgive(cell)
    watch = Watch(folder, study, say, processes)
    budget = study.file.budget
    limits = replace(
        options,
        deadline=time.time() + 3600 * budget.hours if budget.hours else 0.0,
        bytes=int(budget.disk_gb * 1e9) if budget.disk_gb else 0,
    )
    if len(watch.ended) < len(cells):
        run = {"local": executors.local, "ray": executors.ray, "slurm": executors.slurm}[executor]
        run(folder, processes, limits, watch, **(parameters or {}))
    return cells


def estimate(
    study: Study, folder: StudyFolder, registry: Registry, processes: int, elsewhere: Sequence[Path]
) -> list[str]:
    """What a study would do and cost, in lines; from what is done of it, and from the finished runs in ``elsewhere``."""
    cells = folder.cells() if (folder.path / "plan.json").is_file() else []
    planned = {cell.digest: cell for cell in cells}
    cells = [planned.get(one.digest) or Planned.of(one) for one in study.cells]
    specs = {cell.digest: cell.resolved.data() for cell in study.cells}
    runs = [folder.run(cell) for cell in cells]
    known = cost.timings([*runs, *elsewhere])
    left = cost.left(folder, cells, specs, known)
    states = [folder.state(cell) for cell in cells]
    lines = [
        f"{len(study.rows)} rows × {len(study.seeds)} seeds: {len(cells)} cells, {states.count('done')} done, "
        f"{states.count('failed')} failed",
        "to train: "
        + (", ".join(f"{name} {number}×" for name, number in left.stages.items()) or "nothing")
        + f"; {left.shared} stages are shared and trained once",
    ]
    if left.seconds is None:
        lines.append(
            "time: unknown, since no run of every kind in it was timed here yet; it is said after the first cells"
        )
    else:
        lines.append(f"time: about {clock(left.seconds / processes)} on {processes} process(es)")
    kinds = [cost.cost_key(specs[cell.digest], "") for cell in cells]
    if all(kind in known.sizes for kind in kinds):
        todo = [kind for kind, state in zip(kinds, states, strict=True) if state in ("open", "running")]
        size, where = sum(known.sizes[kind] for kind in todo), "from runs of this kind"
        memory = f"{megabytes(max(known.memory[kind] for kind in kinds))} a process"
    else:
        memory, size = _foreseen(study, registry, left.cells)
        where = "of weights and optimiser alone"
    return [*lines, f"memory: about {memory}; disk: about {megabytes(size)}, {where}"]


def _foreseen(study: Study, registry: Registry, cells: int) -> tuple[str, int]:
    """Memory in words and bytes on disk of a study of which nothing was run, from its first row measured on the meta device."""
    from emosym import vram

    stages = vram.estimate(study.cells[0].resolved, registry).stages
    largest = max(stages, key=lambda one: one.total)
    trained = max(one.trained for one in stages) // vram.TRAINED_BYTES * 4
    # The weights after each stage and of the system, and a checkpoint with both moments of the optimiser.
    return f"{largest.total / 2**30:.1f} GiB of a CUDA card in {largest.stage}", cells * trained * (
        len(stages) + 3
    )


def compared(study: Study, folder: StudyFolder, cells: Sequence[Planned], command: str = "") -> Results:
    """The table of what is done of a study. Errors: ``study.nothing-done``, and those of :func:`results_of`."""
    rows = {row.name: row for row in study.rows}
    done = [cell for cell in cells if folder.state(cell) == "done"]
    if not done:
        raise EmosymError("study.nothing-done", f"no cell of {folder.path} is done, so there is no table yet")
    entries = [
        results.Entry(name, cell.seed, folder.run(cell), rows[name].overrides, rows[name].comment)
        for name in rows
        for cell in done
        if name in cell.rows
    ]
    there = {entry.row for entry in entries}
    pairs = [
        results.Pair(*pair.rows, pair.figures, pair.margins)
        for pair in study.file.pairs
        if there >= set(pair.rows)
    ]
    sharing = cost.saved(folder, cells)
    notes = [f"not in it: {line}" for line in failures(folder, cells)]
    if missing := sum(folder.state(cell) in ("open", "running") for cell in cells):
        notes.append(f"{missing} of {len(cells)} cells are not done")
    machines = {(one["device"].partition(":")[0], one["precision"]) for one in map(_summary, entries)}
    if len(machines) > 1:
        listed = ", ".join(f"{device} in {precision}" for device, precision in sorted(machines))
        notes.append(f"the runs did not compute alike: {listed}")
    if sharing.alone:
        notes.append(
            f"Training took {clock(sharing.trained)}; the cells one by one would have taken {clock(sharing.alone)}: "
            f"shared stages spared {100 * sharing.share:.0f} %"
        )
    return results_of(
        results.Study(
            study.title,
            entries,
            pairs if study.file.pairs else None,
            study.file.figures or None,
            study.file.claims,
            study.file.looks,
            {name: word == "higher" for name, word in study.file.better.items()},
            {
                "study": folder.path.name,
                "cells": len(cells),
                "done": len(done),
                **vars(sharing),
                "spared": sharing.share,
            },
            commands=[command, *(f"emosym run {folder.spec(cell)} --out DIR" for cell in done)]
            if command
            else (),
            recipe=recipe(study, folder, done[0]),
            root=folder.path,
            notes=notes,
        )
    )


def recipe(study: Study, folder: StudyFolder, cell: Planned) -> list[tuple[str, str]]:
    """What somebody needs who makes a study again on another machine, as far as no command says it."""
    first = read_json(folder.run(cell) / "provenance.json")
    data, spec = first.get("data") or {}, study.cells[0].resolved.spec
    judge = spec.judges.evaluate
    about = {
        "emosym and libraries": ", ".join(
            f"{name} {version}" for name, version in first["versions"].items() if version
        ),
        "plugins": ", ".join(first["plugins"].values()),
        "commit": str((first.get("git") or {}).get("commit") or "not from a git checkout"),
        "machine": f"{first['device']} in {first['precision']}, {first['machine']['system']}, {first['machine']['cores']} cores",
        "data": f"{spec.data.name}, fingerprint {data.get('fingerprint', '')}",
        "emotions": ", ".join(LabelSet.of(spec.labels).names),
        "judge of generated images": inline(judge.model_dump(mode="json")) if judge is not None else "none",
    }
    written = study.file.model_dump(mode="json", exclude_defaults=True)
    return [
        ("Made with", "\n".join(f"{what}: {text}" for what, text in about.items())),
        ("The study", block({"study": 1, **written})),
        (f"The spec of its first row, seed {study.cells[0].seed}", study.cells[0].resolved.to_yaml()),
    ]


def _summary(entry: results.Entry) -> dict[str, Any]:
    summary: dict[str, Any] = read_json(entry.run / "summary.json")
    return summary


def undeclared(study: Study) -> list[str]:
    """A sentence for each figure that a study names and no metric of it declares."""
    offers = {
        offer.qualified: offer
        for cell in study.cells
        for path, offer in cell.resolved.offers.items()
        if path.startswith("metrics.")
    }
    known = dict.fromkeys(name for offer in offers.values() for name in offer.load().figures)
    named = [*study.file.figures, *study.file.better]
    for pair in study.file.pairs:
        named += [*(pair.figures or ()), *pair.margins]
    named += [test.figure for claim in study.file.claims.values() for test in claim.tests]
    return [
        f"no metric of the study declares a figure {name!r}; {did_you_mean(name, known) or ', '.join(known)}"
        for name in dict.fromkeys(named)
        if name not in known
    ]


def failures(folder: StudyFolder, cells: Sequence[Planned]) -> list[str]:
    """A line for each cell that has failed."""
    failed = [(cell, folder.failure(cell)) for cell in cells]
    return [f"{', '.join(cell.rows)}, seed {cell.seed}: {what['message']}" for cell, what in failed if what]
