"""Drawings as SVG that takes the page's own ink, so that they read on light and on dark."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = ("#3b82d6", "#e0762f", "#2fa36b", "#b65fc4", "#c9a227", "#d6506b", "#4bb3b8", "#8a8f98")
INK = "#010203"
"""Stands for the page's text colour: no curve uses it, and it becomes ``currentColor`` in the file."""


@contextmanager
def drawing(salt: str) -> Iterator[None]:
    """The style of every drawing; ``salt`` keeps ids inside one page apart, and is the same each time."""
    import matplotlib as mpl

    settings: Any = {
        "svg.fonttype": "none", "svg.hashsalt": salt, "font.size": 9, "font.family": "sans-serif",
        "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "legend.frameon": False,
        "text.parse_math": False,
    }  # fmt: skip
    with mpl.rc_context(settings):
        yield


def svg_of(figure: Figure) -> str:
    """A figure as the ``<svg>`` element, the same for the same figure."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")
