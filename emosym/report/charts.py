"""Drawings of an evaluation: how reliable its probabilities are, and the emotion space on a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emosym.report.svg import INK, PALETTE, drawing, svg_of

BINS = 10
"""Parts of the range of probabilities in the reliability diagram."""


class Bin(NamedTuple):
    """Answers whose probability lies in one part of the range."""

    answers: int
    sure: float
    """Their mean probability."""
    right: float
    """The share of them that is right."""


def reliability(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> list[Bin]:
    """Answers of readings [N,C] by their probability, ten parts of equal width; parts without any are left out."""
    sure, right = probabilities.max(1), probabilities.argmax(1) == labels
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    parts = [place == one for one in range(BINS)]
    return [
        Bin(int(part.sum()), float(sure[part].mean()), float(right[part].mean()))
        for part in parts
        if part.any()
    ]


def reliability_diagram(bins: Sequence[Bin]) -> str:
    """How often answers of some probability are right; the area of a point is the number of answers."""
    with drawing("reliability"):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.6, 3.2))
        axes = figure.add_axes((0.16, 0.15, 0.80, 0.81))
        axes.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle="--", alpha=0.6)
        sure, right = (
            [100 * value for value in values] for values in ([b.sure for b in bins], [b.right for b in bins])
        )
        most = max(one.answers for one in bins)
        axes.plot(sure, right, color=PALETTE[0], linewidth=1.2)
        axes.scatter(
            sure,
            right,
            s=[12 + 180 * b.answers / most for b in bins],
            color=PALETTE[0],
            alpha=0.75,
            linewidth=0,
        )
        axes.set_xlabel("probability of the answer, %")
        axes.set_ylabel("answers that are right, %")
        axes.set_xlim(0, 103)
        axes.set_ylim(0, 103)
        axes.grid(alpha=0.18, linewidth=0.6)
        return svg_of(figure)


def space_diagram(space: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """The plane that ``final-space.json`` holds, and the emotions with their colours. Filled: read from held-out pictures;
    rings: drawn to paint from."""
    key = list(zip(space["read"], colours(len(space["read"])), strict=True))
    with drawing("space"):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4.6, 3.8))
        axes = figure.add_axes((0.13, 0.13, 0.84, 0.84))
        for name, colour in key:
            for points, filled in ((space["read"][name], True), (space["drawn"].get(name, []), False)):
                if points:
                    across, up = zip(*points, strict=True)
                    axes.scatter(
                        across,
                        up,
                        s=16,
                        facecolors=colour if filled else "none",
                        edgecolors=colour,
                        linewidths=0.0 if filled else 0.8,
                        alpha=0.8,
                    )
        across_share, up_share = (f"{100 * share:.0f} % of the spread" for share in space["spread"])
        axes.set_xlabel(f"first direction, {across_share}")
        axes.set_ylabel(f"second direction, {up_share}")
        axes.grid(alpha=0.18, linewidth=0.6)
        axes.tick_params(labelbottom=False, labelleft=False)
        return svg_of(figure), key


def colours(count: int) -> list[str]:
    """So many colours, repeated where there are more than the palette has."""
    return [PALETTE[place % len(PALETTE)] for place in range(count)]
