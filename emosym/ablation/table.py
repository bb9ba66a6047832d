"""From the runs of a study to what its report shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

from emosym_registry import EmosymError, did_you_mean

from emosym.ablation.claims import tested
from emosym.ablation.results import Entry, Pair, RunResults, Study, read_run, series_of
from emosym.ablation.statistics import compare, corrected, estimate
from emosym.contracts import Figure
from emosym.report.numbers import Style
from emosym.report.study.results import Difference, Estimate, Results, Row

Runs = Mapping[str, Sequence[RunResults]]
"""By row."""


def results_of(study: Study) -> Results:
    """Everything that the report of a study shows, computed from its run folders.

    Errors: those of :func:`emosym.ablation.results.read_run`, ``study.seed-twice``, ``study.unknown-row``,
    ``study.unknown-figure``.
    """
    by_row: dict[str, list[Entry]] = {}
    for entry in study.entries:
        by_row.setdefault(entry.row, []).append(entry)
    runs = {name: _read(name, entries) for name, entries in by_row.items()}
    declared: dict[str, Figure] = {}
    for run in (run for several in runs.values() for run in several):
        declared |= {name: about for name, about in run.declared.items() if name not in declared}
    for name, higher in study.better.items():
        declared[name] = replace(declared.get(name, Figure(name)), higher_is_better=higher)
    there = [run.figures for several in runs.values() for run in several]
    main = tuple(study.figures if study.figures is not None else Style(declared).headlines(*there))
    known = dict.fromkeys(name for figures in there for name in figures)
    _require(main, known, "figure", "study.unknown-figure")
    generated = {name for several in runs.values() for run in several for name in run.generated}
    return Results(
        title=study.title,
        rows=tuple(_row(entries, runs[name], list(known), generated) for name, entries in by_row.items()),
        differences=tuple(_of_images(_differences(study, runs, main, list(known)), generated)),
        declared=declared,
        claims=tested(study.claims, runs, declared, study.looks),
        looks=study.looks,
        main=main,
        split=", ".join(
            dict.fromkeys(run.split for several in runs.values() for run in several if run.split)
        ),
        facts=study.facts,
        commands=tuple(study.commands),
        recipe=tuple(study.recipe),
        root=study.root,
        notes=tuple(study.notes),
    )


def _read(row: str, entries: Sequence[Entry]) -> list[RunResults]:
    seeds = [entry.seed for entry in entries]
    for entry in entries:
        if seeds.count(entry.seed) > 1:
            raise EmosymError(
                "study.seed-twice",
                f"row {row!r} has two runs of seed {entry.seed}",
                hint="a row is one system with different seeds; give one of them another row",
            )
    return [read_run(entry.run, entry.seed) for entry in entries]


def _row(
    entries: Sequence[Entry], runs: Sequence[RunResults], figures: Sequence[str], generated: Set[str]
) -> Row:
    found = {name: _told(estimate(series_of(runs, name)), name in generated) for name in figures}
    return Row(
        entries[0].row,
        {name: value for name, value in found.items() if value is not None},
        overrides=dict(entries[0].overrides),
        comment=entries[0].comment,
        runs=tuple(run.facts for run in runs),
    )


def _told(found: Estimate | None, generated: bool) -> Estimate | None:
    """An estimate that says of which images it is."""
    return replace(found, of="generated image") if found is not None and generated else found


def _of_images(found: Sequence[Difference], generated: Set[str]) -> Iterator[Difference]:
    yield from (replace(one, estimate=_told(one.estimate, one.figure in generated)) for one in found)


def _differences(study: Study, runs: Runs, main: Sequence[str], known: Sequence[str]) -> Sequence[Difference]:
    rows = list(runs)
    pairs = study.pairs if study.pairs is not None else [Pair(rows[0], other) for other in rows[1:]]
    found = []
    for pair in pairs:
        _require((pair.first, pair.second), rows, "row", "study.unknown-row")
        figures = main if pair.figures is None else pair.figures
        _require([*figures, *pair.margins], known, "figure", "study.unknown-figure")
        for figure in figures:
            first, second = ((row, series_of(runs[row], figure)) for row in (pair.first, pair.second))
            found.append(compare(first, second, figure, pair.margins.get(figure)))
    return corrected(found, study.looks)


def _require(names: Sequence[str], known: Mapping[str, None] | Sequence[str], what: str, id: str) -> None:
    for name in names:
        if name not in known:
            hint = did_you_mean(name, list(known)) or f"there are: {', '.join(known)}"
            raise EmosymError(id, f"the study has no {what} {name!r}", hint=hint)
