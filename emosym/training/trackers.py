"""Hook implementations that keep a run's scalars: ``metrics.jsonl`` always, TensorBoard where asked."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from emosym_registry import EmosymError, hookimpl

from emosym.files import written_whole

METRICS = "metrics.jsonl"


class JsonLines:
    """Appends one JSON line a step to ``metrics.jsonl``: stage, step (1-based), time (Unix seconds) and the scalars.

    A value that is not finite is written as null, since JSON has no other word for it. When a stage is resumed at
    step s, its lines beyond s are dropped first: those steps will be done again.
    """

    def __init__(self) -> None:
        self._file: IO[str] | None = None

    @hookimpl
    def emosym_stage_started(self, run: Path, stage: str, steps: int, step: int) -> None:
        self._close()
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
        self._close()

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def _close(self) -> None:
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
        self._close()
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
        self._close()

    def _close(self) -> None:
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
