"""What the runs of a study say, read from their folders: figures, each image's own values, cost, hashes. Imports no torch."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from emosym_registry.errors import first_line

from emosym.ablation.statistics import Images, Series
from emosym.ablation.study import Claim
from emosym.contracts import Figure
from emosym.predictions import read_predictions
from emosym.report.numbers import RESERVED, Style
from emosym.report.study.results import RunFacts
from emosym.toolkit import read_json

GROUPS = {"understanding": "final-readings.parquet", "generation": "final-generated.parquet"}
"""Groups of figures in a summary, and the file that has each image's own values."""


@dataclass(frozen=True)
class Entry:
    """One run of a study: which row it belongs to, and with which seed."""

    row: str
    seed: int
    run: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """What the row's spec says otherwise than that of the first row, by dotted key."""
    comment: str = ""
    """What the study says of the row."""


@dataclass(frozen=True)
class Pair:
    """Two rows that are compared, as ``second`` minus ``first``."""

    first: str
    second: str
    figures: Sequence[str] | None = None
    """None compares them on the study's figures."""
    margins: Mapping[str, float] = field(default_factory=dict)
    """By figure, the difference below which two rows are as good as one."""


@dataclass(frozen=True)
class Study:
    """What is to be put into one table."""

    title: str
    entries: Sequence[Entry]
    pairs: Sequence[Pair] | None = None
    """None holds every other row against the first."""
    figures: Sequence[str] | None = None
    """Figures of the first table and of pairs that name none; None for the headline figures of the metrics."""
    claims: Mapping[str, Claim] = field(default_factory=dict)
    """By name, what it was to show."""
    looks: int = 1
    """How often it has been looked at, where seeds were added in between."""
    better: Mapping[str, bool] = field(default_factory=dict)
    """By figure, whether higher is better, where the study does not leave that to the metric."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else is to be written down, as plain values."""
    commands: Sequence[str] = ()
    """How to make it again: the first makes all of it, each of the others one run."""
    recipe: Sequence[tuple[str, str]] = ()
    """What else somebody needs who makes it again: what, and a text."""
    root: Path | None = None
    """Folder that paths of runs are shown relative to."""
    notes: Sequence[str] = ()
    """What a reader has to know."""


@dataclass(frozen=True)
class RunResults:
    """What one run folder says."""

    facts: RunFacts
    figures: Mapping[str, float]
    images: Mapping[str, Images]
    """By figure, those that are means over images."""
    declared: Mapping[str, Figure]
    generated: frozenset[str]
    """Figures of generated images."""
    labels: tuple[str, ...]
    split: str


def read_run(path: Path, seed: int | None = None) -> RunResults:
    """The results of a finished run. Errors: ``run.missing``, ``run.unfinished``, ``run.damaged``, and that of predictions
    that cannot be read."""
    if not (path / "spec.yaml").is_file():
        what = "no spec.yaml in it, so it is not a run folder" if path.is_dir() else "no such folder"
        raise EmosymError("run.missing", f"{path}: {what}")
    if not (path / "summary.json").is_file():
        raise EmosymError(
            "run.unfinished",
            f"{path}: this run has not come to its end, so there is nothing to compare",
            hint=f"continue it: emosym run {path / 'spec.yaml'} --out {path} --resume",
        )
    summary = _object(path / "summary.json")
    final = _object(path / "evaluation" / "final.json")
    style = Style.of(summary)
    figures: dict[str, float] = {}
    images: dict[str, Images] = {}
    generated: set[str] = set()
    for group, file in GROUPS.items():
        found = _figures(summary.get(group) or {})
        figures |= found
        own = _images(path / "evaluation" / file)
        images |= {name: own[name] for name in found if name in own}
        generated |= set(found) if group == "generation" else set()
    own_seed = int(summary.get("seed", 0))
    return RunResults(
        _facts(path, summary, own_seed if seed is None else seed),
        figures,
        images,
        style.declared,
        frozenset(generated),
        tuple((final.get("understanding") or {}).get("names") or ()),
        str(final.get("split", "")),
    )


def series_of(runs: Sequence[RunResults], figure: str) -> Series:
    """One figure of the runs of a row."""
    have = [run for run in runs if figure in run.figures]
    return Series(
        {run.facts.seed: run.figures[figure] for run in have},
        {run.facts.seed: run.images[figure] for run in have if figure in run.images},
    )


def _figures(group: Mapping[str, Any]) -> dict[str, float]:
    """Numbers of a group without the ends of intervals and what the evaluation itself says."""
    there = {
        name: float(value)
        for name, value in group.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and name not in RESERVED
    }
    return {name: value for name, value in there.items() if not _is_end(name, there)}


def _is_end(name: str, there: Mapping[str, float]) -> bool:
    return any(name.endswith(end) and name.removesuffix(end) in there for end in ("_low", "_high"))


def _images(path: Path) -> dict[str, Images]:
    if not path.is_file():
        return {}
    kept = read_predictions(path)
    seen: Counter[str] = Counter()
    ids = []
    for id in kept.ids:
        ids.append(f"{id}\0{seen[id]}" if seen[id] else id)
        seen[id] += 1
    return {name: Images(tuple(ids), values) for name, values in kept.figures.items()}


def _facts(path: Path, summary: Mapping[str, Any], seed: int) -> RunFacts:
    progress = _object(path / "checkpoints" / "progress.json")
    identity = _object(path / "run.json")
    return RunFacts(
        path=path,
        seed=seed,
        id=str(identity.get("id", "")),
        sha256=_system_hash(_object(path / "system" / "system.json").get("files") or {}),
        seconds=dict(summary.get("seconds") or {}),
        peak_memory_bytes=summary.get("peak_memory_bytes"),
        parameters={
            stage: int(facts["parameters"]) for stage, facts in progress.items() if "parameters" in facts
        },
        data=_fingerprint(_object(path / "provenance.json")),
        smoke=summary.get("smoke") is True,
    )


def _system_hash(files: Mapping[str, str]) -> str:
    """One sha256 over those of the files of a system; empty where there are none."""
    lines = "".join(f"{name} {files[name]}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest() if files else ""


def _fingerprint(provenance: Mapping[str, Any]) -> str:
    """That of the data of the last session."""
    last = (provenance.get("resumed") or [provenance])[-1]
    return str((last.get("data") or {}).get("fingerprint", ""))


def _object(path: Path) -> dict[str, Any]:
    """What a JSON file holds, nothing where there is none."""
    try:
        value = read_json(path) if path.exists() else {}
        if not isinstance(value, dict):
            raise ValueError("it holds no object")
    except (OSError, ValueError) as error:
        raise EmosymError(
            "run.damaged",
            f"{path} cannot be read: {first_line(error)}",
            hint="restore it, or leave the run out",
        ) from error
    return value
