"""Hook implementations that keep a run's scalars, and how a run's own implementations come to listen to it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from accelerate.utils.environment import get_int_from_env
from emosym_registry import EmosymError, Lifecycle, Registry, hookimpl

from emosym.toolkit import written_whole

METRICS = "metrics.jsonl"


_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
"""Where torchrun, Accelerate and MPI say which of several processes this is."""


def default_trackers(*, tensorboard: bool = False, progress: object | None = None) -> list[object]:
    """The hook implementations that a run brings itself: ``metrics.jsonl`` always, the others where asked."""
    chosen: list[object] = [JsonLines()]
    if tensorboard:
        chosen.append(TensorBoardTracker())
    if progress is not None:
        chosen.append(progress)
    return chosen


@contextmanager
def listening(registry: Registry, trackers: Sequence[object]) -> Iterator[Lifecycle]:
    """Let ``trackers`` listen beside the plugins for the time of a run; yields what calls the hooks.

    Of several processes only the first is listened to, so that everything is recorded once.
    """
    if not is_main_process():
        yield Registry().hook
        return
    for tracker in trackers:
        registry.manager.register(tracker)
    try:
        yield registry.hook
    finally:
        for tracker in trackers:
            registry.manager.unregister(tracker)
            close = getattr(tracker, "close", None)  # a stage that stopped half-way left files open
            if close is not None:
                close()


def is_main_process() -> bool:
    """Whether this is the only process of a run, or the first of several."""
    return get_int_from_env(_RANKS, 0) == 0


class JsonLines:
    """Appends one JSON line a step to ``metrics.jsonl``: stage, step (1-based), time (Unix seconds) and the scalars.

    A value that is not finite is written as null, since JSON has no other word for it. When a stage is resumed at
    step s, its lines beyond s are dropped first: those steps will be done again.
    """

    def __init__(self) -> None:
        self._file: IO[str] | None = None

    @hookimpl
    def emosym_stage_started(self, run: Path, stage: str, steps: int, step: int) -> None:
        self.close()
        path = Path(run) / METRICS
        if path.exists():
            drop_beyond(path, stage, step)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    @hookimpl
    def emosym_step_finished(self, run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._write(
            {"stage": stage, "step": step, **_now(), **{key: _finite(value) for key, value in values.items()}}
        )

    @hookimpl
    def emosym_stage_finished(self, run: Path, stage: str, summary: Mapping[str, Any]) -> None:
        self.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file, which the next stage opens again."""
        if self._file is not None:
            self._file.close()
            self._file = None


class TensorBoardTracker:
    """Writes the same scalars as event files into the run folder's ``tensorboard/``."""

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise EmosymError(
                "tracker.no-tensorboard",
                "TensorBoard is not installed",
                hint="pip install tensorboard, or leave --tensorboard out",
            ) from error
        self._make = SummaryWriter
        self._writer: Any = None

    @hookimpl
    def emosym_stage_started(self, run: Path, stage: str, steps: int, step: int) -> None:
        self.close()
        # purge_step hides what an interrupted attempt wrote beyond the step that is done again.
        self._writer = self._make(
            str(Path(run) / "tensorboard" / stage), purge_step=step + 1 if step else None
        )

    @hookimpl
    def emosym_step_finished(self, run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, float(value), step)

    @hookimpl
    def emosym_stage_finished(self, run: Path, stage: str, summary: Mapping[str, Any]) -> None:
        self.close()

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Every line of ``metrics.jsonl`` as a dictionary; a last line cut off by a crash is left out."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        lines.append(line)
    return lines


def drop_beyond(path: Path, stage: str, step: int) -> None:
    """Rewrite a metrics file without the lines of ``stage`` after ``step``, whole or not at all."""
    lines = read_metrics(path)
    kept = [line for line in lines if line["stage"] != stage or line["step"] <= step]
    with written_whole(path) as partial:
        partial.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def _now() -> dict[str, float]:
    return {"time": round(time.time(), 3)}


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
