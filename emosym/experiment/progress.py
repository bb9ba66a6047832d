"""What a run shows while it works: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

from emosym_registry import hookimpl

from emosym.report.numbers import clock

Item = TypeVar("Item")
EVERY = 10.0
"""Seconds between plain lines."""

WINDOW = 50
"""Steps over which the rate is measured: long enough to be steady, short enough to notice a slower machine."""


class Rate:
    """Steps a second over the last steps, and the time that is left at that pace."""

    def __init__(self, steps: int, step: int, now: float) -> None:
        self.steps = steps
        self.recent: deque[tuple[int, float]] = deque([(step, now)], maxlen=WINDOW + 1)

    def reached(self, step: int, now: float) -> None:
        self.recent.append((step, now))

    @property
    def per_second(self) -> float | None:
        """None until a step has taken measurable time."""
        (first, start), (last, end) = self.recent[0], self.recent[-1]
        return (last - first) / (end - start) if last > first and end > start else None

    @property
    def left(self) -> float | None:
        """Seconds to the last step."""
        rate = self.per_second
        return (self.steps - self.recent[-1][0]) / rate if rate else None

    def __str__(self) -> str:
        rate, left = self.per_second, self.left
        if rate is None or left is None:
            return "…"
        pace = f"{rate:.1f} steps/s" if rate >= 1 else f"{1 / rate:.1f} s/step"
        return f"{pace}, {clock(left)} left"


class PlainProgress:
    """Lines for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rate = Rate(0, 0, 0.0)
        self._said = 0.0

    @hookimpl
    def emosym_stage_started(self, run: Path, stage: str, steps: int, step: int) -> None:
        self._said = time.monotonic()
        self._rate = Rate(steps, step, self._said)
        self._say(f"{stage}: {steps} steps" + (f", going on at {step}" if step else ""))

    @hookimpl
    def emosym_step_finished(self, run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
        now = time.monotonic()
        self._rate.reached(step, now)
        if now - self._said >= EVERY:
            self._said = now
            self._say(f"{stage}: {step}/{self._rate.steps}, {self._rate}{_loss(values)}")

    @hookimpl
    def emosym_bank_refreshed(self, run: Path, step: int, refresh: Any) -> None:
        self._say(bank_line(step, refresh))

    @hookimpl
    def emosym_stage_finished(self, run: Path, stage: str, summary: Mapping[str, Any]) -> None:
        self._say(done_line(stage, summary))

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class BarProgress:
    """A live bar for each stage."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._task: Any = None
        self._rate = Rate(0, 0, 0.0)

    @hookimpl
    def emosym_stage_started(self, run: Path, stage: str, steps: int, step: int) -> None:
        self._rate = Rate(steps, step, time.monotonic())
        self._task = self._bars.add_task(stage, total=steps, completed=step, detail="")

    @hookimpl
    def emosym_step_finished(self, run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._rate.reached(step, time.monotonic())
        self._bars.update(self._task, completed=step, detail=f"{self._rate}{_loss(values)}")

    @hookimpl
    def emosym_bank_refreshed(self, run: Path, step: int, refresh: Any) -> None:
        self._bars.console.print(bank_line(step, refresh), highlight=False)

    @hookimpl
    def emosym_stage_finished(self, run: Path, stage: str, summary: Mapping[str, Any]) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        self._bars.console.print(done_line(stage, summary), highlight=False)


@contextmanager
def show_progress(stream: TextIO | None = None) -> Iterator[Any]:
    """A hook implementation that shows a run on stderr, in the form that suits where stderr goes."""
    stream = sys.stderr if stream is None else stream
    if quiet():
        yield object()
        return
    if not stream.isatty():
        yield PlainProgress(stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with Progress(*columns, console=Console(file=stream)) as bars:
        yield BarProgress(bars)


def steps(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    """The items, each as it comes, with their number shown on stderr: a bar on a terminal, a line every ten seconds
    elsewhere."""
    if quiet():
        yield from items
        return
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        yield from track(items, title, total, console=Console(stderr=True), transient=True)
        return
    said = time.monotonic()
    for number, item in enumerate(items, 1):
        now = time.monotonic()
        if now - said >= EVERY:
            said = now
            print(f"{title}: {number} of {total}", file=sys.stderr, flush=True)
        yield item


def bank_line(step: int, refresh: Any) -> str:
    """What a refresh of the memory bank did, in one line."""
    return (
        f"bank: step {step}: {len(refresh.admitted)} admitted, {len(refresh.replaced)} originals replaced, "
        f"{len(refresh.refused)} refused; {100 * refresh.fraction:.1f} % of the training set is generated"
    )


def done_line(stage: str, summary: Mapping[str, Any]) -> str:
    """The end of a stage, with the time of its training that tables show, its accuracy where it was measured, and why it came
    early where it did."""
    accuracy = summary.get("accuracy")
    measured = f", accuracy {accuracy:.3f}" if isinstance(accuracy, float) else ""
    early = f"; ended at step {summary['steps']}: {summary['stopped']}" if "stopped" in summary else ""
    done = "taken, trained" if "taken" in summary else "done"
    return f"{stage}: {done} in {clock(summary.get('seconds'))}{measured}{early}"


def _loss(values: Mapping[str, float]) -> str:
    return f", loss {values['loss']:.3f}" if "loss" in values else ""


def quiet() -> bool:
    """Whether whoever runs this wants warnings and errors alone, as ``--quiet`` says by the level of our logger."""
    return logging.getLogger("emosym").level > logging.INFO
