"""Figures as people read them, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emosym.contracts import Figure

NOTHING = "–"
RESERVED = ("confusion", "names", "images", "bayes", "stages")
"""What the evaluation itself says beside the figures of metrics, none of which may have such a name."""
BAYES = {"bayes": Figure("Bayes optimum", percent=True)}
"""What data may say of the best accuracy that can be reached."""


def share(value: Any) -> str:
    """``0.8125`` as ``81.2 %``."""
    return f"{100 * value:.1f} %" if isinstance(value, (int, float)) else NOTHING


def number(value: Any) -> str:
    """A number to three digits."""
    if value is None:
        return NOTHING
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def ends(low: float, high: float, *, percent: bool) -> str:
    """An interval: ``78.9–83.5``, ``0.04–0.07``; ``−0.1 to 0.2`` where a dash would meet a sign."""
    one, other = (f"{100 * end:.1f}" if percent else number(end) for end in (low, high))
    return f"{one}–{other}" if low >= 0 else f"{minus(one)} to {minus(other)}"


def minus(text: str) -> str:
    """A number with a minus sign instead of a hyphen."""
    return text.replace("-", "−")


def signed(value: float, *, percent: bool, digits: int = 1) -> str:
    """A difference with its sign: ``+1.3`` per cent points of a share with so many decimals, ``−0.0123`` of another number."""
    text = f"{100 * value:+.{digits}f}" if percent else f"{value:+.3g}"
    return minus(text if float(text) else text[1:])


def clock(seconds: Any) -> str:
    """``65`` as ``1:05``, an hour as ``1:00:00``."""
    if not isinstance(seconds, (int, float)):
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def duration(seconds: Any) -> str:
    """``178`` as ``2 min 58 s``, ``7`` as ``7 s``, an hour and a half as ``1 h 30 min``."""
    if not isinstance(seconds, (int, float)):
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@dataclass(frozen=True)
class Style:
    """How figures are shown: ``declared`` is what their metrics say of them, by name, as ``summary.json`` keeps it."""

    declared: Mapping[str, Figure]

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Style:
        """That of a run's summary or of an evaluation."""
        return cls(BAYES | {name: Figure(**about) for name, about in (summary.get("figures") or {}).items()})

    def about(self, name: str) -> Figure:
        """How a figure is shown; one that no metric declares is a plain number."""
        return self.declared.get(name) or Figure(name.replace("_", " "))

    def title(self, name: str) -> str:
        """What people call a figure."""
        return self.about(name).title

    def value(self, figures: Mapping[str, Any], name: str) -> str:
        """A figure: ``81.2 %`` where it is a share, three digits where it is not."""
        return (share if self.about(name).percent else number)(figures.get(name))

    def with_interval(self, figures: Mapping[str, Any], name: str) -> str:
        """The same with its 95 % interval where it has one: ``81.2 % (78.9–83.5)``, ``0.0532 (0.04–0.07)``."""
        interval = self.interval(figures, name)
        return f"{self.value(figures, name)} ({interval})" if interval else self.value(figures, name)

    def interval(self, figures: Mapping[str, Any], name: str) -> str:
        """The 95 % interval alone, ``78.9–83.5``; empty where there is none."""
        low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
        return "" if low is None or high is None else ends(low, high, percent=self.about(name).percent)

    def beside(self, name: str) -> str:
        """The figure that this one is compared with, empty where there is none."""
        return self.about(name).beside

    def headlines(self, *several: Mapping[str, Any]) -> list[str]:
        """Names of the headline figures that are there, in the order in which metrics declare them."""
        return [
            name
            for name, about in self.declared.items()
            if about.headline and any(name in figures for figures in several)
        ]

    def others(self, several: Sequence[Mapping[str, Any]]) -> list[str]:
        """Names of the other numbers, without the ends of intervals and what headline figures are compared with."""
        names = dict.fromkeys(
            name for figures in several for name, value in figures.items() if isinstance(value, (int, float))
        )
        ends = {f"{name}{end}" for name in names for end in ("_low", "_high")}
        top = self.headlines(*several)
        return [
            name for name in names if name not in {*RESERVED, *ends, *top, *(self.beside(one) for one in top)}
        ]
