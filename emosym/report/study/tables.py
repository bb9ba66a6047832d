"""The tables of a study as rows of text, from which every format is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from string import ascii_lowercase

from emosym.report.numbers import NOTHING
from emosym.report.study.results import ALPHA, POCOCK, Difference, Results, Row, RunFacts
from emosym.report.study.words import (
    asked_text,
    count,
    difference_text,
    effect_text,
    equivalence_text,
    estimate_text,
    memory_text,
    overrides_text,
    p_text,
    pair_text,
    parameters_text,
    seconds_text,
    size_text,
    tested_text,
    titled,
    verdict,
)
from emosym.spec.model import STAGES

MOST = 5
"""Figures beside one another in a table."""


@dataclass(frozen=True)
class StudyTable:
    """Text in rows, all as long as the header."""

    id: str
    title: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    """What cells refer to as [a], [b] …"""


@dataclass
class Notes:
    """Phrases that cells refer to, each once."""

    there: list[str] = field(default_factory=list)

    def marked(self, text: str, phrases: Sequence[str]) -> str:
        """``text`` with a reference to each phrase."""
        for phrase in phrases:
            if phrase not in self.there:
                self.there.append(phrase)
        marks = sorted(self.there.index(phrase) for phrase in set(phrases))
        return f"{text} {''.join(f'[{letter(mark)}]' for mark in marks)}" if marks else text


def letter(mark: int) -> str:
    """What note number ``mark`` (from 0) is called: a, b … z, aa, bb …"""
    return ascii_lowercase[mark % 26] * (mark // 26 + 1)


def study_tables(results: Results) -> Iterator[StudyTable]:
    """Claims, figures, differences, other figures, cost, overrides and runs; those that have anything."""
    made = (
        claims(results),
        figures(results),
        differences(results),
        *others(results),
        cost(results),
        overrides(results),
        runs(results),
    )
    yield from (table for table in made if table.rows and len(table.header) > 1)


def claims(results: Results) -> StudyTable:
    """Every test of every claim."""
    rows = tuple(
        (
            claim.name,
            f"{test.row} − {test.base}" if test.base else test.row,
            results.style.title(test.figure),
            asked_text(results.style.about(test.figure), test),
            tested_text(results.style.about(test.figure), test),
            p_text(test.corrected),
            "supported" if claim.supported else "holds" if test.holds else "not supported",
        )
        for claim in results.claims
        for test in claim.tests
    )
    caption = (
        "These claims were written before the study was run. A difference is positive where the row is better; in brackets its 95 % interval. Every "
        f"test is one-sided at {100 * ALPHA:.0f} % and corrected by Holm's method over all of this table, intervals are not, so one may "
        f"leave a bound out where the test does not hold; a claim is supported where each of its tests holds; where only "
        f"some do, these say holds.{looked(results)}"
    )
    header = ("claim", "rows", "figure", "asked", "measured", "p (Holm)", "verdict")
    return StudyTable("claims", "Claims", caption, header, rows)


def looked(results: Results) -> str:
    """What has to be said where seeds were added after a look at the results; begins with a space."""
    if results.looks == 1:
        return ""
    return (
        f" Seeds were added after a look at the results; this is look {results.looks}, and every corrected p is raised by "
        f"{ALPHA / POCOCK[results.looks]:.2f} for it (Pocock 1977), so that below {ALPHA} is wrong once in twenty over all looks."
    )


def figures(results: Results) -> StudyTable:
    """The study's own figures, a row a variant."""
    notes, style = Notes(), results.style
    rows = tuple(
        (row.name, *(_cell(results, row, name, notes) for name in results.main)) for row in results.rows
    )
    of = f"; images are those of the {results.split} split" if results.split else ""
    caption = f"Mean over seeds; in brackets the 95 % interval, then what the number is over{of}. An arrow points to what is better."
    header = ("row", *(titled(style.about(name)) for name in results.main))
    return StudyTable("figures", "Figures", caption, header, rows, tuple(notes.there))


def others(results: Results) -> Iterator[StudyTable]:
    """Every other figure, some to a table."""
    names = results.others
    for start in range(0, len(names), MOST):
        notes, part = Notes(), names[start : start + MOST]
        rows = tuple((row.name, *(_cell(results, row, name, notes) for name in part)) for row in results.rows)
        header = ("row", *(titled(results.style.about(name)) for name in part))
        caption = "Read like the first table; none of these is tested unless it stands among the differences."
        id, title = (
            f"others-{start // MOST + 1}",
            "Other figures" if not start else "Other figures, continued",
        )
        yield StudyTable(id, title, caption, header, rows, tuple(notes.there))


def _cell(results: Results, row: Row, name: str, notes: Notes) -> str:
    found = row.figures.get(name)
    return notes.marked(estimate_text(results.style.about(name), found), found.notes if found else ())


def differences(results: Results) -> StudyTable:
    """Every pair on every figure, with what may be said of it."""
    notes = Notes()
    rows = tuple(_difference(results, one, notes) for one in results.differences)
    tests = sum(one.p is not None for one in results.differences)
    margins = sum(one.equivalence is not None for one in results.differences)
    caption = (
        f"Paired by seed and image; in brackets the 95 % interval of each difference alone, as p and the smallest visible "
        f"difference are. p (Holm) is corrected over the {count(tests, 'test')} of this table"
    )
    caption += (
        f", of which the first must be below {POCOCK[results.looks] / tests:.2g}." if tests > 1 else "."
    )
    caption += looked(results)
    if margins:
        caption += f" Equivalence is tested against a margin that was given beforehand, and corrected over {count(margins, 'margin')}."
    header = (
        "difference",
        "figure",
        "value",
        "effect",
        "p",
        "p (Holm)",
        "equivalence",
        "verdict",
        "smallest visible",
    )
    return StudyTable("differences", "Differences", caption, header, rows, tuple(notes.there))


def _difference(results: Results, one: Difference, notes: Notes) -> tuple[str, ...]:
    about = results.style.about(one.figure)
    phrases = (*(one.estimate.notes if one.estimate else ()), *one.notes)
    return (
        pair_text(one),
        titled(about),
        notes.marked(difference_text(about, one), phrases),
        effect_text(one.effect),
        p_text(one.p),
        p_text(one.corrected),
        equivalence_text(about, one),
        verdict(about, one),
        size_text(about, one.visible),
    )


def cost(results: Results) -> StudyTable:
    """What each row costs, beside what it gains over the row that it is held against."""
    stages = [
        stage for stage in STAGES if any(stage in run.seconds for row in results.rows for run in row.runs)
    ]
    gains = results.main[:1]
    rows = tuple(
        (
            row.name,
            *(_gain(results, row, name) for name in gains),
            *(seconds_text(_mean(run.seconds.get(stage) for run in row.runs)) for stage in stages),
            seconds_text(_mean(_alone(run) for run in row.runs)),
            memory_text(_mean(run.peak_memory_bytes for run in row.runs)),
            parameters_text(trained(row.runs)),
        )
        for row in results.rows
        if row.runs
    )
    header = (
        "row",
        *(f"gain in {results.style.title(name)}" for name in gains),
        *stages,
        "stages and evaluation",
        "peak memory",
        "trained parameters",
    )
    caption = (
        "Minutes and seconds, means over seeds. Stages and evaluation: of training and of the final evaluation, as if the row ran "
        "alone; a stage that it shares counts with the time that it took where it was trained, and loading, saving and measuring in "
        "between, which are in a run's own total, do not count. Memory of the process while the run was in it, and the "
        "most numbers that one stage trains."
    )
    return StudyTable("cost", "Cost", caption, header, rows)


def _gain(results: Results, row: Row, name: str) -> str:
    for one in results.differences:
        if (one.second, one.figure) == (row.name, name):
            return difference_text(results.style.about(name), one).partition(" · ")[0]
    return NOTHING


def _alone(run: RunFacts) -> float | None:
    """Seconds of the stages of a run and of its final evaluation, whoever trained them."""
    there = [run.seconds[name] for name in (*STAGES, "evaluate") if name in run.seconds]
    return sum(there) if there else None


def _mean(values: Iterator[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None


def trained(several: Sequence[RunFacts]) -> int | None:
    """The most numbers that one stage of these runs trains; None where no run says it."""
    return max((many for run in several for many in run.parameters.values()), default=None)


def overrides(results: Results) -> StudyTable:
    """What each row changes in the spec."""
    rows = tuple((row.name, overrides_text(row.overrides), row.comment or NOTHING) for row in results.rows)
    header = ("row", "override", "comment")
    caption = "What a row's spec says otherwise than that of the first row, as --set takes it."
    return StudyTable("overrides", "Rows", caption, header, rows)


def runs(results: Results) -> StudyTable:
    """Every run with what tells it from all others."""
    rows = tuple(
        (row.name, str(run.seed), _place(results, run), run.id or NOTHING, run.sha256 or NOTHING)
        for row in results.rows
        for run in row.runs
    )
    header = ("row", "seed", "run", "id", "sha256 of the system's weights")
    return StudyTable("runs", "Runs", "Where each run lies, and what it ended in.", header, rows)


def _place(results: Results, run: RunFacts) -> str:
    root = results.root
    return str(run.path.relative_to(root) if root is not None and run.path.is_relative_to(root) else run.path)
