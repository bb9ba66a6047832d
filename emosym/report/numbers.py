"""Figures as people read them, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTHING = "–"


def share(value: Any) -> str:
    """``0.8125`` as ``81.2 %``."""
    return f"{100 * value:.1f} %" if isinstance(value, (int, float)) else NOTHING


def interval(figures: Mapping[str, Any], name: str) -> str:
    """A share with its 95 % interval where it has one: ``81.2 % (78.9–83.5)``."""
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    around = f" ({100 * low:.1f}–{100 * high:.1f})" if low is not None and high is not None else ""
    return share(figures.get(name)) + around


def number(value: Any) -> str:
    """A number to three digits."""
    if value is None:
        return NOTHING
    return f"{value:.3g}" if isinstance(value, float) else str(value)


KNOWN = ("accuracy", "macro_f1", "bayes", "images")
"""Figures of understanding that have a place of their own."""


def further(figures: Mapping[str, Any]) -> list[str]:
    """Names of the other figures of understanding, those of anybody's metrics; an interval's ends go with their figure."""
    ends = {f"{name}{end}" for name in figures for end in ("_low", "_high")}
    return [
        name
        for name, value in figures.items()
        if name not in KNOWN and name not in ends and isinstance(value, (int, float))
    ]


def around(figures: Mapping[str, Any], name: str) -> str:
    """A number with its 95 % interval where it has one: ``0.0532 (0.04–0.07)``."""
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    ends = f" ({number(low)}–{number(high)})" if low is not None and high is not None else ""
    return number(figures.get(name)) + ends


def clock(seconds: Any) -> str:
    """``65`` as ``1:05``, an hour as ``1:00:00``."""
    if not isinstance(seconds, (int, float)):
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
