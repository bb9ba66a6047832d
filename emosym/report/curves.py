"""Curves of a run as SVG that takes the page's own ink: one unit a panel, so that no curve hides another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from emosym.report.svg import PALETTE, drawing, svg_of

IGNORED = frozenset({"stage", "step", "time"})
POINTS = 150
"""Most points of a curve on the page."""
MOST = len(PALETTE)
"""Most curves in a panel; what is more has the next one."""


class Panel(NamedTuple):
    """What curves that share a panel have in common."""

    title: str
    unit: str
    """What stands beside the vertical axis."""
    from_zero: bool = False
    percent: bool = False
    tells: bool = True
    """Whether it says how well training went, and not how it was steered: studies draw it for each row."""


PANELS: tuple[tuple[str, Panel], ...] = (
    (r"loss", Panel("Loss", "sum of all terms")),
    (r"ce|teacher_ce", Panel("Cross entropy", "nats", from_zero=True)),
    (r"(.*_)?accuracy", Panel("Accuracy", "% of pictures", from_zero=True, percent=True)),
    (r"infonce", Panel("InfoNCE", "nats", from_zero=True)),
    (r"alignment", Panel("Alignment with the text", "cosine")),
    (r"knowledge_present", Panel("Pictures that have a text", "% of pictures", True, True, tells=False)),
    (r"retrieval", Panel("Text found for its picture", "% of pictures", from_zero=True, percent=True)),
    (r"reward/.*/mean|held_out/reward", Panel("Reward", "mean reward")),
    (
        r"reward/.*/std",
        Panel("Spread of rewards", "standard deviation", from_zero=True, tells=False),
    ),
    (
        r"reward/.*/flat",
        Panel("Nothing to learn from: equal tries", "% of pictures", True, True, tells=False),
    ),
    (r"ratio_clipped", Panel("Tries beyond the clip", "% of tries", True, True, tells=False)),
    (r"kl|teacher_kl", Panel("KL divergence", "nats", from_zero=True)),
    (r"(.*/)?entropy", Panel("Entropy of readings", "nats", from_zero=True)),
    (r"denoising", Panel("Denoising", "mean squared error", from_zero=True)),
    (
        r"generated_share|bank/fraction",
        Panel("Painted pictures in training", "% of pictures", True, True, tells=False),
    ),
    (r"bank/.*", Panel("Decisions of the bank", "pictures a refresh", from_zero=True, tells=False)),
    (
        r"sigma",
        Panel("Noise on the [CTX] tokens of tries", "sigma × spread of the tokens", True, tells=False),
    ),
    (r".*norm.*", Panel("Gradient norm", "length", from_zero=True, tells=False)),
    (r"lr(/.*)?", Panel("Learning rate", "step size", from_zero=True, tells=False)),
)
"""Names of scalars as patterns, each with its panel, in the order of the page. Any other scalar has its own unit."""

Curves = Mapping[str, Sequence[tuple[int, float]]]
"""(step, value) by scalar."""


class Drawn(NamedTuple):
    """A panel as it stands on the page."""

    title: str
    key: Sequence[tuple[str, str]]
    """Names of the curves with their colours; empty where the panel's title says it of a single one."""
    last: str
    """Where the curves end, in words, for those who do not see them."""
    svg: str
    tells: bool
    """As of its panel."""


def called(name: str) -> str:
    """A logged scalar as people say it: ``reward/class/mean`` is class, ``held_out/reward`` held out reward."""
    kept = re.sub(r"^(?:reward|bank|lr|norm)/|/(?:mean|std|flat)$", "", name)
    return re.sub(r"[_/]", " ", kept)


def panel_of(name: str) -> Panel:
    """The panel that a logged scalar belongs to."""
    known = (panel for pattern, panel in PANELS if re.fullmatch(pattern, name))
    return next(known, Panel(name, name.replace("_", " ")))


def stage_curves(lines: Sequence[Mapping[str, Any]], stage: str) -> list[Drawn]:
    """A panel for each unit that a stage logged in; none where it logged nothing."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        if line.get("stage") == stage:
            for name, value in line.items():
                if name not in IGNORED and isinstance(value, (int, float)):
                    curves.setdefault(name, []).append((line["step"], value))
    grouped: dict[Panel, list[str]] = {}
    for name in sorted(curves):
        grouped.setdefault(panel_of(name), []).append(name)
    order = [panel for _, panel in PANELS]
    shown = sorted(grouped, key=lambda panel: order.index(panel) if panel in order else len(order))
    return [
        _drawn(stage, panel, {name: curves[name] for name in grouped[panel][start : start + MOST]})
        for panel in shown
        for start in range(0, len(grouped[panel]), MOST)
    ]


def smoothed(values: Sequence[float] | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A centred running mean over a fortieth of the curve; near the ends, over what is there."""
    array = np.asarray(values, dtype=float)
    half = max(0, len(array) // 80)
    sums = np.concatenate([[0.0], np.cumsum(array)])
    low = np.maximum(np.arange(len(array)) - half, 0)
    high = np.minimum(np.arange(len(array)) + half + 1, len(array))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def thinned(count: int, most: int) -> np.ndarray[Any, Any]:
    """Places of at most ``most`` of ``count`` points, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))


def _drawn(stage: str, panel: Panel, curves: Curves) -> Drawn:
    scale = 100 if panel.percent else 1
    ends = []
    with drawing(f"{stage}-{panel.title}-{next(iter(curves))}"):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.6, 2.2))
        # Margins by hand: a layout engine would double the time of a report.
        axes = figure.add_axes((0.2, 0.21, 0.77, 0.69))
        for (name, curve), colour in zip(curves.items(), PALETTE, strict=False):
            steps, values = (np.asarray(part, dtype=float) for part in zip(*curve, strict=True))
            line, kept = scale * smoothed(values), thinned(len(values), POINTS)
            if len(values) > 80:
                axes.plot(steps[kept], scale * values[kept], color=colour, alpha=0.22, linewidth=0.7)
            marker = "o" if len(values) < 3 else None
            axes.plot(steps[kept], line[kept], color=colour, linewidth=1.6, marker=marker, markersize=3)
            ends.append(f"{called(name)} ends at {line[-1]:.3g}")
        axes.set_xlabel("optimiser step")
        axes.set_ylabel(panel.unit)
        axes.ticklabel_format(axis="y", useOffset=False, scilimits=(-3, 5))
        if panel.from_zero and min(value for curve in curves.values() for _, value in curve) >= 0:
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.18, linewidth=0.6)
        axes.locator_params(axis="x", nbins=5, integer=True)
        axes.locator_params(axis="y", nbins=5)
        svg = svg_of(figure)
    said = f"{panel.title} in {panel.unit}, by optimiser step of {stage}: {'; '.join(ends)}"
    said_already = len(curves) == 1 and next(iter(curves)).isalpha()
    key = [] if said_already else list(zip(map(called, curves), PALETTE, strict=False))
    return Drawn(panel.title, key, said, svg, panel.tells)
