"""Runs that nobody planned as a study, put into one: what makes a row, and what cannot be compared. Imports no torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

from emosym.ablation.results import Entry, RunResults, Study, read_run
from emosym.spec.nodes import Origin, leaves
from emosym.spec.text import read_file

WITHOUT_EFFECT = ("name", "seed", "compute", "trackers", "plugins")
"""Parts of a spec in which the runs of one row may differ: none of them changes the system that is meant."""
MOST_NAMED = 3
"""A row whose spec differs in more values is named by its run."""


@dataclass(frozen=True)
class _Run:
    path: Path
    results: RunResults
    name: str
    values: Mapping[str, Any]
    """Its spec by dotted key, without what has no effect."""

    @property
    def key(self) -> str:
        return json.dumps(self.values, sort_keys=True, default=str)


def study_of(paths: Sequence[Path], names: Sequence[str] = ()) -> tuple[Study, list[str]]:
    """A study of run folders, and what somebody should know before believing it.

    Runs whose specs are equal but for the seed are one row; ``names`` are those of the rows, or one a run (equal names make
    a row). Errors: those of :func:`emosym.ablation.results.read_run`, ``compare.one-run``, ``compare.run-twice``,
    ``compare.other-labels``, ``compare.other-split``, ``compare.names``, ``study.seed-twice``.
    """
    runs = [_read(path) for path in paths]
    _refuse(runs)
    rows = _named(_grouped(runs), runs, list(names))
    base = next(iter(rows.values()))[0]
    entries = [
        Entry(name, run.results.facts.seed, run.path, differing(base.values, run.values))
        for name, several in rows.items()
        for run in several
    ]
    notes = list(_notes(runs))
    again = shlex.join(
        ["emosym", "compare", *map(str, paths)] + (["--names", ",".join(names)] if names else [])
    )
    commands = [
        shlex.join(["emosym", "run", str(run.path / "spec.yaml"), "--out", f"{run.path}-again"])
        for run in runs
    ]
    title = f"Comparison of {len(rows)} systems" if len(rows) > 1 else f"{next(iter(rows))}, {len(runs)} runs"
    smoke = [str(run.path) for run in runs if run.results.facts.smoke]
    warnings = [f"smoke runs, whose figures mean nothing: {', '.join(smoke)}"] if smoke else []
    return Study(title, entries, commands=[again, *commands], notes=notes), [*notes, *warnings]


def _read(path: Path) -> _Run:
    results = read_run(path)
    spec = read_file(path / "spec.yaml", Origin("file", str(path / "spec.yaml"))).plain()
    values = {key: value for key, value in leaves(spec) if key.partition(".")[0] not in WITHOUT_EFFECT}
    return _Run(path, results, str(spec.get("name", path.name)), values)


def differing(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What ``values`` say otherwise than ``base``; None for what they leave out."""
    changed = {key: value for key, value in values.items() if key not in base or base[key] != value}
    gone = {key: None for key in base if key not in values}
    nulled = {key for key in gone if any(key.startswith(f"{other}.") for other in changed)}
    parents = {key for key in gone if any(other.startswith(f"{key}.") for other in changed)}
    return {**changed, **{key: None for key in gone if key not in nulled | parents}}


def _refuse(runs: Sequence[_Run]) -> None:
    if len(runs) < 2:
        raise EmosymError("compare.one-run", "there is one run, and nothing to compare it with")
    first = runs[0]
    seen: dict[str, _Run] = {}
    for run in runs:
        same = seen.setdefault(run.results.facts.id or str(run.path.resolve()), run)
        if same is not run:
            raise EmosymError("compare.run-twice", f"{run.path} and {same.path} are the same run")
        if run.results.labels != first.results.labels:
            raise EmosymError(
                "compare.other-labels",
                f"{run.path} reads {', '.join(run.results.labels)}, and {first.path} {', '.join(first.results.labels)}",
                hint="figures of different label sets cannot be compared",
            )
        if run.results.split != first.results.split:
            raise EmosymError(
                "compare.other-split",
                f"{run.path} was measured on {run.results.split or 'an unknown split'}, and {first.path} on "
                f"{first.results.split or 'an unknown split'}",
                hint=f"measure it on the same: emosym run {run.path / 'spec.yaml'} --out DIR --set "
                f"evaluation.split={first.results.split or 'test'}",
            )


def _grouped(runs: Sequence[_Run]) -> list[list[_Run]]:
    """Runs of equal specs together, in the order of their first; two of one seed are rows of their own."""
    groups: dict[str, list[_Run]] = {}
    for run in runs:
        groups.setdefault(run.key, []).append(run)
    rows: list[list[_Run]] = []
    for group in groups.values():
        seeds = {run.results.facts.seed for run in group}
        rows += [group] if len(seeds) == len(group) else [[run] for run in group]
    return rows


def _named(rows: list[list[_Run]], runs: Sequence[_Run], names: Sequence[str]) -> dict[str, list[_Run]]:
    if names and len(names) == len(runs) and len(names) != len(rows):
        named: dict[str, list[_Run]] = {}
        for name, run in zip(names, runs, strict=True):
            named.setdefault(name, []).append(run)
        return named
    if names and len(names) != len(rows):
        raise EmosymError(
            "compare.names",
            f"{len(names)} names for {len(runs)} runs, which make {len(rows)} rows",
            hint="give one name a row, or one a run: " + "; ".join(_listed(row) for row in rows),
        )
    chosen = list(names) or [_name(row, rows[0]) for row in rows]
    if len(set(chosen)) < len(rows):
        chosen = [_listed(row) for row in rows]
    if len(set(chosen)) < len(rows):
        chosen = [" ".join(str(run.path) for run in row) for row in rows]
    return dict(zip(chosen, rows, strict=True))


def _name(row: Sequence[_Run], first: Sequence[_Run]) -> str:
    """The spec's name of the first row; of another what it changes, where that is short."""
    if row is first:
        return row[0].name
    changes = differing(first[0].values, row[0].values)
    if not changes or len(changes) > MOST_NAMED:
        return _listed(row)
    from emosym.report.study.words import overrides_text

    return overrides_text({key.replace(".params.", "."): value for key, value in changes.items()})


def _listed(row: Sequence[_Run]) -> str:
    return " ".join(run.path.resolve().name for run in row)


def _notes(runs: Sequence[_Run]) -> Iterator[str]:
    first = runs[0].results.facts
    other = [run.path for run in runs if run.results.facts.data != first.data]
    if other:
        listed = ", ".join(map(str, other))
        yield f"the data of {listed} are not those of {runs[0].path}: samples or labels differ, and so may the figures"
    bare = [run.path for run in runs if not run.results.images]
    if bare:
        listed = ", ".join(map(str, bare))
        yield f"no predictions of each image in {listed}, so nothing there is paired by image: an older emosym ran them"
