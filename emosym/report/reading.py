"""What a report says of reading: confusion, emotion by emotion, how reliable probabilities are, the worst errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emosym.predictions import Predictions
from emosym.report.charts import Bin, reliability, reliability_diagram
from emosym.report.files import read_json
from emosym.report.numbers import NOTHING, Style, share
from emosym.report.tables import Table
from emosym.spec.model import STAGES

TOKENS = "token_effect"
"""How the names of figures begin that say whether the reasoning tokens matter."""


class Matrix(NamedTuple):
    """Counts of how often one emotion was taken for another."""

    title: str
    names: Sequence[str]
    counts: Sequence[Sequence[int]]
    """[C,C], rows: the truth, or what was wanted."""

    @property
    def rows(self) -> Iterator[tuple[str, list[tuple[int, float]]]]:
        """Each emotion with its cells: how many, and the share of the row."""
        for name, counts in zip(self.names, self.counts, strict=True):
            yield name, [(count, count / max(1, sum(counts))) for count in counts]


def confusions(folder: Path, final: Mapping[str, Any]) -> list[Matrix]:
    """How the final system reads, and before it the same after each stage."""
    found = {f"after {stage}": read_json(folder / "evaluation" / f"{stage}.json") for stage in STAGES}
    measured = {title: figures for title, figures in found.items() if figures and "confusion" in figures}
    last = final.get("understanding") or {}
    if "confusion" in last and last["confusion"] not in [
        one["confusion"] for one in list(measured.values())[-1:]
    ]:
        measured["final"] = last
    return [Matrix(title, one["names"], one["confusion"]) for title, one in measured.items()][::-1]


def judged(made: Predictions | None) -> Matrix | None:
    """What the evaluation judge reads in the pictures that were painted; None without a judge."""
    if made is None or made.probabilities is None:
        return None
    counts = np.zeros((len(made.names), len(made.names)), dtype=int)
    np.add.at(counts, (made.labels, made.probabilities.argmax(1)), 1)
    return Matrix("painted", made.names, counts.tolist())


def by_emotion(read: Matrix | None, painted: Matrix | None) -> Table | None:
    """A row an emotion: how well it is read, and how often a picture of it is read as such by the judge."""
    if read is None:
        return None
    counts = np.asarray(read.counts)
    own, annotated, answered = counts.diagonal(), counts.sum(1), counts.sum(0)
    of_painted = {} if painted is None else dict(painted.rows)
    header = (
        "emotion",
        "pictures",
        "recall",
        "precision",
        "F1",
        *(["Emo-A", "painted"] if of_painted else []),
    )
    rows = []
    for place, name in enumerate(read.names):
        recall, precision = (_ratio(own[place], of[place]) for of in (annotated, answered))
        f1 = _ratio(2 * own[place], annotated[place] + answered[place])
        more = []
        if of_painted:
            cells = of_painted.get(name, [])
            made = sum(count for count, _ in cells)
            more = [share(cells[place][1]) if made else NOTHING, str(made)]
        rows.append((name, f"{annotated[place]:,}", share(recall), share(precision), share(f1), *more))
    return Table(header, rows)


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


class Reliability(NamedTuple):
    """How far answers can be believed."""

    svg: str
    table: Table
    said: str
    """The diagram in words."""


def reliability_of(seen: Predictions | None) -> Reliability | None:
    """The reliability diagram of an evaluation, with its numbers; None where there is nothing to draw."""
    if seen is None or seen.probabilities is None or not len(seen.ids):
        return None
    bins: list[Bin] = reliability(seen.probabilities, seen.labels)
    rows = [(share(one.sure), share(one.right), f"{one.answers:,}") for one in bins]
    gap = sum(one.answers * (one.sure - one.right) for one in bins) / sum(one.answers for one in bins)
    word = "too sure" if gap > 0 else "too unsure"
    said = f"On average the answers are {abs(100 * gap):.1f} points {word}."
    return Reliability(reliability_diagram(bins), Table(("says", "is right", "answers"), rows), said)


def errors(folder: Path) -> list[dict[str, Any]]:
    """The worst errors, in words: ``said``, ``label``, ``reasons``, ``picture``, ``id``."""
    kept = read_json(folder / "evaluation" / "final-errors.json") or []
    return [
        {
            **one,
            "said": f"read as {one['read']}, {share(one['probability'])}",
            "truth": f"annotated {one['label']}, to which it gave {share(one['of_label'])}",
        }
        for one in kept
    ]


def figure_tables(
    style: Style, columns: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> list[Table]:
    """Figures by their unit, first those in per cent, each with which way is better and, where the row above does not say
    it already, what it says."""
    tables = []
    for percent, unit in ((True, "in per cent"), (False, "in units of their own")):
        rows, said = [], ""
        for name in (name for name in names if style.about(name).percent is percent):
            about = style.about(name).about
            cells = (style.with_interval(figures, name) for figures in columns.values())
            rows.append((titled(style, name), *cells, about if about != said else ""))
            said = about
        if rows:
            tables.append(Table((unit, *columns, "what it says"), rows))
    return tables


def titled(style: Style, name: str) -> str:
    """A figure's title with an arrow towards what is better."""
    arrow = {True: " ↑", False: " ↓", None: ""}[style.about(name).higher_is_better]
    return style.title(name) + arrow
