"""The pictures of a study: a forest of differences, curves with bands over seeds, contact sheets side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from emosym.report import METRICS
from emosym.report.curves import IGNORED, panel_of, smoothed, thinned
from emosym.report.pictures import file_as_url
from emosym.report.study.results import Difference, Results, Row
from emosym.report.study.words import pair_text, verdict
from emosym.report.svg import INK, PALETTE, drawing, svg_of
from emosym.spec.model import STAGES
from emosym.toolkit import read_json_lines

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

POINTS = (12, 150)
"""Fewest and most points of a curve on the page."""
CURVE_BYTES = 700_000
"""What all curves of a page may take, about."""
POINT_BYTES = 60
"""What a point of a curve with its band takes."""
SHEET_BYTES = 1_500_000
"""What all contact sheets of a page may take."""
SHEET_WIDTHS = (640, 480, 360, 240, 160)
MOST_SEEDS = 3
"""Seeds whose contact sheets are shown at most."""
NAME = 40
"""Most characters of a name in a drawing."""


Panels = dict[str, dict[str, list[list[tuple[int, float]]]]]
"""Curves of (step, value) by scalar and row, one a seed."""


class Sheets(NamedTuple):
    """Contact sheets of every row at one seed."""

    seed: int
    pictures: Mapping[str, str]
    """Data URLs by row."""


def forest(results: Results) -> str | None:
    """One panel a figure: each difference with its interval, and the margin shaded; None where nothing has an interval."""
    names = dict.fromkeys(one.figure for one in results.differences if _has_interval(one))
    panels = [
        (name, [one for one in results.differences if one.figure == name and _has_interval(one)])
        for name in names
    ]
    if not panels:
        return None
    with drawing("forest"):
        from matplotlib.figure import Figure

        heights = [0.8 + 0.34 * len(pairs) for _, pairs in panels]
        figure = Figure(figsize=(9.0, sum(heights)))
        grid = figure.add_gridspec(len(panels), 1, height_ratios=heights, hspace=0, top=1, bottom=0)
        for place, (name, pairs) in enumerate(panels):
            axes = figure.add_subplot(grid[place])
            _forest_panel(axes, results, name, pairs)
            box = axes.get_position()
            total = sum(heights)
            axes.set_position((0.32, box.y0 + 0.42 / total, 0.42, box.height - 0.8 / total))
        return svg_of(figure)


def _has_interval(one: Difference) -> bool:
    return one.estimate is not None and one.estimate.low is not None


def _forest_panel(axes: Axes, results: Results, name: str, pairs: Sequence[Difference]) -> None:
    about = results.style.about(name)
    scale = 100 if about.percent else 1
    for margin in {one.margin for one in pairs if one.margin is not None}:
        axes.axvspan(-scale * margin, scale * margin, color=PALETTE[4], alpha=0.15, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, one in enumerate(pairs):
        estimate = one.estimate
        assert estimate is not None
        assert estimate.low is not None
        assert estimate.high is not None
        said = one.corrected is not None and one.corrected < 0.05
        colour = PALETTE[0] if said else PALETTE[7]
        axes.plot([scale * estimate.low, scale * estimate.high], [place, place], color=colour, linewidth=2)
        axes.plot([scale * estimate.value], [place], "o", color=colour, markersize=5)
        axes.annotate(
            verdict(about, one).replace(", ", ",\n"),
            (1.02, place),
            xycoords=axes.get_yaxis_transform(),
            fontsize=8,
            va="center",
        )
    axes.set_yticks(range(len(pairs)), [_short(pair_text(one)) for one in pairs])
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    better = {True: ", more is better", False: ", less is better", None: ""}[about.higher_is_better]
    axes.set_title(f"{about.title}{' in points' if about.percent else ''}{better}", loc="left", fontsize=9)
    axes.grid(axis="x", alpha=0.18, linewidth=0.6)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= NAME else f"{line[: NAME - 1]}…"


def band_curves(results: Results) -> Iterator[tuple[str, str]]:
    """For each stage an SVG: every row's mean over seeds, and a band from the lowest seed to the highest."""
    stages: dict[str, Panels] = {stage: {} for stage in STAGES}
    for row in results.rows:
        for run in row.runs:
            lines = read_json_lines(run.path / METRICS)
            for stage, panels in stages.items():
                for name, curve in _curves(lines, stage).items():
                    panels.setdefault(name, {}).setdefault(row.name, []).append(curve)
    points = points_for(sum(len(rows) for panels in stages.values() for rows in panels.values()))
    for stage, panels in stages.items():
        if panels:
            yield stage, _bands(stage, panels, results.rows, points)


def points_for(curves: int) -> int:
    """How many points each of so many curves may have."""
    fewest, most = POINTS
    return max(fewest, min(most, CURVE_BYTES // (POINT_BYTES * max(1, curves))))


def _curves(lines: Sequence[Mapping[str, Any]], stage: str) -> dict[str, list[tuple[int, float]]]:
    curves: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        if line.get("stage") != stage:
            continue
        for name, value in line.items():
            if name not in IGNORED and isinstance(value, (int, float)) and panel_of(name).tells:
                curves.setdefault(name, []).append((line["step"], value))
    return curves


def _bands(stage: str, panels: Panels, rows: Sequence[Row], points: int) -> str:
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    with drawing(f"bands-{stage}"):
        from matplotlib.figure import Figure

        width, height = 3.7 * columns, 2.3 * lines + 0.4 + 0.22 * len(rows)
        figure = Figure(figsize=(width, height))
        figure.subplots_adjust(
            left=0.5 / width,
            right=1 - 0.1 / width,
            bottom=(0.4 + 0.22 * len(rows)) / height,
            top=1 - 0.3 / height,
            wspace=0.22,
            hspace=0.45,
        )
        for place, name in enumerate(panels):
            axes = figure.add_subplot(lines, columns, place + 1)
            for number, row in enumerate(rows):
                if row.name in panels[name]:
                    _band(axes, panels[name][row.name], number, points)
            axes.set_title(_short(name), loc="left")
            axes.grid(alpha=0.18, linewidth=0.6)
            axes.locator_params(axis="x", nbins=5, integer=True)
        from matplotlib.lines import Line2D

        keys = [
            Line2D([], [], color=PALETTE[i % len(PALETTE)], linestyle=STYLES[i // len(PALETTE) % len(STYLES)])
            for i in range(len(rows))
        ]
        figure.legend(keys, [_short(row.name) for row in rows], loc="lower left", labelcolor=INK, fontsize=8)
        return svg_of(figure)


STYLES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")


def _band(axes: Any, curves: Sequence[Sequence[tuple[int, float]]], number: int, points: int) -> None:
    """The mean of several seeds' curves at the steps that all of them have, smoothed as those of one run."""
    by_step = [dict(curve) for curve in curves]
    steps = sorted(set.intersection(*map(set, by_step)))
    if not steps:
        return
    values = np.array([smoothed([curve[step] for step in steps]) for curve in by_step])
    kept = thinned(len(steps), points)
    at, values = np.asarray(steps)[kept], values[:, kept]
    marker = "o" if len(at) < 3 else None
    colour, style = PALETTE[number % len(PALETTE)], STYLES[number // len(PALETTE) % len(STYLES)]
    axes.plot(
        at,
        values.mean(0),
        color=colour,
        linewidth=1.4,
        marker=marker,
        markersize=3,
        linestyle=style,
    )
    if len(values) > 1:
        axes.fill_between(at, values.min(0), values.max(0), color=colour, alpha=0.18, linewidth=0)


def contact_sheets(results: Results) -> list[Sheets]:
    """Generated pictures of all rows at the seeds that they have in common, as small as the page needs them."""
    sheets = {
        row.name: {
            run.seed: path for run in row.runs if (path := run.path / "sheets" / "generated.png").is_file()
        }
        for row in results.rows
    }
    painting = {name: seeds for name, seeds in sheets.items() if seeds}
    if not painting:
        return []
    common = sorted(set.intersection(*(set(seeds) for seeds in painting.values())))
    for count in range(min(MOST_SEEDS, len(common)), 0, -1):
        for width in SHEET_WIDTHS:
            made = [_sheets(painting, seed, width) for seed in common[:count]]
            if sum(len(url) for one in made for url in one.pictures.values()) <= SHEET_BYTES:
                return made
    return []


def _sheets(painting: Mapping[str, Mapping[int, Path]], seed: int, width: int) -> Sheets:
    made = {name: file_as_url(seeds[seed], width, 100 * width) for name, seeds in painting.items()}
    return Sheets(seed, {name: url for name, url in made.items() if url is not None})
