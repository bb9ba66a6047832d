"""What a study costs: what its cells took so far, what is left, and before the first one what such stages took elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from emosym.ablation.folder import Planned, StudyFolder
from emosym.toolkit import read_json

FREE = frozenset(
    {
        "lr",
        "ce_weight",
        "knowledge_weight",
        "diffusion_weight",
        "token_gradient",
        "context_scale",
        "labelled_share",
        "by_class",
    }
)
"""Settings of a stage that cost nothing."""
COSTS = {
    "compress": ("data", "backbone", "compressor"),
    "reinforce": ("data", "backbone", "compressor", "reinforcer"),
    "unify": ("data", "backbone", "compressor", "diffusion", "memory"),
    "": ("data", "backbone", "diffusion", "evaluation", "metrics"),
}
"""Sections that the time of a stage depends on; that of everything beside stages under an empty name."""


@dataclass
class Timings:
    """Seconds by stage (empty: all beside the stages of a run) and by what its time depends on; the largest peak memory and
    size in bytes of runs by what these depend on."""

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def add(self, run: Path, spec: Mapping[str, Any]) -> None:
        """Take in a finished run; one that is damaged or of another version says nothing."""
        try:
            done = read_json(run / "checkpoints" / "progress.json")
            summary = read_json(run / "summary.json")
            trained = {stage: facts["seconds"] for stage, facts in done.items() if "taken" not in facts}
            beside = summary["seconds"]["total"] - sum(trained.values())
            for stage, seconds in {**trained, "": beside}.items():
                self.seconds.setdefault((stage, cost_key(spec, stage)), []).append(float(seconds))
            kind, size = (
                cost_key(spec, ""),
                sum(one.stat().st_size for one in run.rglob("*") if one.is_file()),
            )
            self.memory[kind] = max(self.memory.get(kind, 0), int(summary["peak_memory_bytes"]))
            self.sizes[kind] = max(self.sizes.get(kind, 0), size)
        except (OSError, ValueError, KeyError, TypeError):
            return

    def of(self, spec: Mapping[str, Any], stage: str, *, nearly: bool = False) -> float | None:
        """Seconds of a stage; None where nothing of its kind was timed, or where ``nearly`` will do none of its name."""
        there = self.seconds.get((stage, cost_key(spec, stage)), [])
        if not there and nearly:
            there = [one for (name, _), seconds in self.seconds.items() if name == stage for one in seconds]
        return median(there) if there else None


def cost_key(spec: Mapping[str, Any], stage: str) -> str:
    """A hash of what the time of a stage depends on: two that differ in rates and weights alone cost the same."""
    settings = (
        spec["stages"][stage] if stage else {name: one is not None for name, one in spec["stages"].items()}
    )
    own = {key: value for key, value in (settings or {}).items() if key not in FREE}
    parts = [own, *(spec.get(section) for section in COSTS[stage]), spec["compute"]["device"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def timings(runs: Iterable[Path]) -> Timings:
    """What finished runs took."""
    from emosym.spec.nodes import Origin
    from emosym.spec.text import read_file

    known = Timings()
    for run in runs:
        if (run / "summary.json").is_file() and (run / "spec.yaml").is_file():
            known.add(run, read_file(run / "spec.yaml", Origin("file", str(run / "spec.yaml"))).plain())
    return known


@dataclass(frozen=True)
class Left:
    """What is still to do: stages to train by name, how many of all stages need no training because cells share them, and
    seconds, None where something is left whose kind was never timed."""

    stages: Mapping[str, int]
    shared: int
    cells: int
    seconds: float | None


def left(
    folder: StudyFolder,
    cells: Sequence[Planned],
    specs: Mapping[str, Mapping[str, Any]],
    known: Timings,
    *,
    nearly: bool = False,
) -> Left:
    """What is left of a study; ``specs`` are those of its cells by digest, ``nearly`` as for :meth:`Timings.of`."""
    seen: set[tuple[str, str]] = set()
    stages: dict[str, int] = {}
    shared, seconds = 0, 0.0
    unknown = False
    open_cells = [cell for cell in cells if folder.state(cell) in ("open", "running")]
    for cell in open_cells:
        spec = specs[cell.digest]
        done = {stage for stage, _ in folder.facts(cell)}
        costs = [known.of(spec, "", nearly=nearly)]
        for stage, key in cell.stages.items():
            if stage in done:
                continue
            if (stage, key) in seen or folder.finished(stage, key):
                shared += 1
                continue
            seen.add((stage, key))
            stages[stage] = stages.get(stage, 0) + 1
            costs.append(known.of(spec, stage, nearly=nearly))
        unknown |= None in costs
        seconds += sum(one for one in costs if one is not None)
    return Left(stages, shared, len(open_cells), None if unknown else seconds)


@dataclass(frozen=True)
class Saved:
    """Seconds of training that the runs of a study took, and that the same cells would have taken one by one."""

    trained: float
    alone: float

    @property
    def share(self) -> float:
        """The share of the training that was not done twice."""
        return 1 - self.trained / self.alone if self.alone else 0.0


def saved(folder: StudyFolder, cells: Sequence[Planned]) -> Saved:
    """What sharing has spared the finished stages of a study, from each stage's own measured time."""
    facts = [(len(cell.rows), one) for cell in cells for _, one in folder.facts(cell)]
    alone = sum(rows * float(one["seconds"]) for rows, one in facts)
    return Saved(sum(float(one["seconds"]) for _, one in facts if "taken" not in one), alone)
