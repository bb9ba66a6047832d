"""Curves of a run as SVG that takes the page's own ink, so that they read on light and on dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emosym.report.svg import INK, PALETTE, drawing, svg_of

PANELS = (
    "loss",
    "accuracy",
    "reward",
    "reward spread",
    "bank",
    "bank decisions",
    "gradient norm",
    "learning rate",
)
FROM_ZERO = frozenset({"accuracy", "bank", "bank decisions", "gradient norm", "learning rate"})
IGNORED = frozenset({"stage", "step", "time"})


def panel_of(name: str) -> str:
    """The panel that a logged scalar belongs to."""
    if name in ("generated_share", "bank/fraction"):
        return "bank"
    if name.startswith("bank/"):
        return "bank decisions"
    if name == "lr" or name.startswith("lr/"):
        return "learning rate"
    if "norm" in name:
        return "gradient norm"
    if "accuracy" in name:
        return "accuracy"
    if name.startswith("reward") or name == "held_out/reward":
        return "reward spread" if name.endswith(("/std", "/flat")) else "reward"
    return "loss"


def stage_curves(lines: Sequence[Mapping[str, Any]], stage: str) -> str | None:
    """One SVG with a panel for each kind of scalar that a stage logged; None where it logged nothing."""
    series: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for line in lines:
        if line.get("stage") != stage:
            continue
        for name, value in line.items():
            if name not in IGNORED and isinstance(value, (int, float)):
                series.setdefault(panel_of(name), {}).setdefault(name, []).append((line["step"], value))
    panels = [panel for panel in PANELS if panel in series]
    return _draw(stage, panels, series) if panels else None


def smoothed(values: Sequence[float]) -> np.ndarray[Any, Any]:
    """A centred running mean over a fortieth of the curve; near the ends, over what is there."""
    array = np.asarray(values, dtype=float)
    half = max(0, len(array) // 80)
    sums = np.concatenate([[0.0], np.cumsum(array)])
    low = np.maximum(np.arange(len(array)) - half, 0)
    high = np.minimum(np.arange(len(array)) + half + 1, len(array))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def _draw(
    stage: str, panels: Sequence[str], series: Mapping[str, Mapping[str, list[tuple[int, float]]]]
) -> str:
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    with drawing(stage):
        from matplotlib.figure import Figure

        width, height = 3.7 * columns, 2.5 * rows
        figure = Figure(figsize=(width, height))
        # Margins in inches, whatever the number of panels; a layout engine would double the time of a report.
        figure.subplots_adjust(
            left=0.5 / width,
            right=1 - 0.1 / width,
            bottom=0.3 / height,
            top=1 - 0.3 / height,
            wspace=0.22,
            hspace=0.4,
        )
        for number, panel in enumerate(panels):
            axes = figure.add_subplot(rows, columns, number + 1)
            _panel(axes, panel, series[panel])
        return svg_of(figure)


def _panel(axes: Any, panel: str, curves: Mapping[str, list[tuple[int, float]]]) -> None:
    for name, colour in zip(sorted(curves), [*PALETTE] * (len(curves) // len(PALETTE) + 1), strict=False):
        steps, values = zip(*curves[name], strict=True)
        if len(values) > 80:
            axes.plot(steps, values, color=colour, alpha=0.22, linewidth=0.7)
        marker = "o" if len(values) < 3 else None
        axes.plot(
            steps, smoothed(values), color=colour, linewidth=1.5, marker=marker, markersize=3, label=name
        )
    axes.set_title(panel, loc="left")
    axes.ticklabel_format(useOffset=False)
    if panel in FROM_ZERO:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.18, linewidth=0.6)
    axes.locator_params(axis="x", nbins=5, integer=True)
    if len(curves) > 1 or panel not in curves:
        axes.legend(fontsize=7, labelcolor=INK, handlelength=1.2)
