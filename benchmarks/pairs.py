"""A figure is measured several times over: most are ratios of two things timed in turn, so that what else the machine does slows
both."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Work = Callable[[], object]


@dataclass(frozen=True)
class Measured:
    """The median of what ``times`` measurements gave and its quartiles. Of a ratio, ``seconds`` has the median processor time of
    both things."""

    value: float
    low: float
    high: float
    times: int
    seconds: tuple[float, float] | None = None

    @classmethod
    def of(cls, values: Sequence[float], seconds: tuple[float, float] | None = None) -> Measured:
        """From single measurements, of which one is enough."""
        low, value, high = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
        return cls(value, low, high, len(values), seconds)


Measure = Callable[[int], Measured]
"""Measures so many times."""


@dataclass(frozen=True)
class Figure:
    """What is measured and what it should be: at least or at most ``bound``, in ``unit`` (``×`` is a ratio). ``floor`` is what
    arithmetic alone would give, where that is known; ``note`` says why a target is not met."""

    name: str
    says: str
    at_least: bool
    bound: float
    floor: float | None = None
    unit: str = "×"
    note: str = ""

    @property
    def target(self) -> str:
        """The bound, as it is written."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    def met(self, value: float) -> bool:
        """Whether a value is on the right side of the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def record(self, found: Measured, machine: str) -> dict[str, Any]:
        """What the file keeps of a measurement."""
        return {
            "name": self.name,
            "says": self.says,
            "value": round(found.value, 5),
            "unit": self.unit,
            "target": self.target,
            "met": self.met(found.value),
            "floor": self.floor,
            "spread": [round(found.low, 5), round(found.high, 5)],
            "times": found.times,
            "seconds": None if found.seconds is None else [round(one, 5) for one in found.seconds],
            "note": "" if self.met(found.value) else self.note,
            "machine": machine,
        }


def moved(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the quartiles of two records of a figure do not meet."""
    (low, high), (was_low, was_high) = now["spread"], before["spread"]
    return bool(low > was_high or high < was_low)


def seconds(work: Work) -> float:
    """Processor time of this process: others' work on a shared machine does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def elapsed(work: Work) -> float:
    """Time on the clock, for what two processors do side by side; others' work on a shared machine counts."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def of_children(work: Work) -> float:
    """Processor time of the processes that ``work`` starts and waits for."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def ratio(first: Work, second: Work, clock: Callable[[Work], float] = seconds) -> Measure:
    """``first`` over ``second``: both timed in turn, after each has run once."""

    def measure(times: int) -> Measured:
        first()
        second()
        pairs = []
        for number in range(times):
            if number % 2:  # whoever comes first finds the caches of the other
                later, sooner = clock(second), clock(first)
                pairs.append((sooner, later))
            else:
                pairs.append((clock(first), clock(second)))
        medians = statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
        return Measured.of([a / b for a, b in pairs], medians)

    return measure


def repeated(value: Callable[[], float], most: int | None = None) -> Measure:
    """What ``value`` returns, at most ``most`` times."""
    return lambda times: Measured.of([value() for _ in range(min(times, most or times))])
