"""A figure is a ratio of two things that are timed in turn, so that what else the machine does slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Ratio:
    """``first`` over ``second`` (median seconds of processor time of each), the median of the ratios of ``pairs`` pairs, and
    their quartiles."""

    value: float
    low: float
    high: float
    pairs: int
    first: float
    second: float


@dataclass(frozen=True)
class Figure:
    """What a ratio is of, and what it should be: at least or at most ``bound``. ``floor`` is what arithmetic alone would give,
    where that is known."""

    name: str
    says: str
    at_least: bool
    bound: float
    floor: float | None = None

    def met(self, ratio: Ratio) -> bool:
        """Whether the ratio is on the right side of the bound."""
        return ratio.value >= self.bound if self.at_least else ratio.value <= self.bound

    def moved(self, ratio: Ratio, before: Ratio) -> bool:
        """Whether the quartiles of two measurements do not meet."""
        return ratio.low > before.high or ratio.high < before.low


def seconds(work: Work) -> float:
    """Processor time of this process: others' work on a shared machine does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ratio(first: Work, second: Work, pairs: int = 7) -> Ratio:
    """Time both in turn, after each has run once."""
    first()
    second()
    times = []
    for number in range(pairs):
        if number % 2:  # whoever comes first finds the caches of the other
            later, sooner = seconds(second), seconds(first)
            times.append((sooner, later))
        else:
            times.append((seconds(first), seconds(second)))
    ratios = [a / b for a, b in times]
    low, value, high = statistics.quantiles(ratios, n=4)
    return Ratio(
        value,
        low,
        high,
        pairs,
        statistics.median(a for a, _ in times),
        statistics.median(b for _, b in times),
    )
