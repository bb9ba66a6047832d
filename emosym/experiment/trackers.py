"""Hook implementations that keep a run's scalars, and how a run's own implementations come to listen to it."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers
from emosym_registry import EmosymError, Lifecycle, Registry, hookimpl
from emosym_registry.errors import first_line

from emosym.experiment.folder import RunFolder
from emosym.processes import is_first
from emosym.report import METRICS
from emosym.toolkit import read_json_lines
from emosym.toolkit.files import write_json_lines


@contextmanager
def listening(registry: Registry, listeners: Sequence[object]) -> Iterator[Lifecycle]:
    """Let ``listeners`` (hook implementations) listen beside the plugins for the time of a run; yields what calls the hooks.

    Of several processes only the first is listened to, so that everything is recorded once.
    """
    if not is_first():
        yield Registry().lifecycle
        return
    for listener in listeners:
        registry.manager.register(listener)
    try:
        yield registry.lifecycle
    finally:
        for listener in listeners:
            registry.manager.unregister(listener)
            close = getattr(listener, "close", None)  # a stage that stopped half-way left files open
            if close is not None:
                close()


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
        if os.fstat(self._file.fileno()).st_nlink == 0 and Path(self._file.name).parent.exists():
            raise EmosymError(
                "run.metrics-gone",
                f"{self._file.name} was deleted while the run goes on",
                hint="resume the run: it goes on from its last checkpoint, without the rows that are lost",
            )
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file, which the next stage opens again."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Tracker:
    """Sends a run's scalars, spec and final figures to a tracker of Accelerate: TensorBoard, W&B, MLflow, Trackio and others.

    ``name`` is Accelerate's name of it, ``params`` go to its constructor; ``project`` among them is what the tracker files
    runs under (``emosym`` by default). Scalars are called ``STAGE/NAME``; steps count on over the stages. Errors:
    ``tracker.not-installed``.
    """

    def __init__(self, name: str, params: Mapping[str, Any] | None = None) -> None:
        if name not in [one.value for one in get_available_trackers()]:
            raise EmosymError(
                "tracker.not-installed",
                f"tracker {name!r} is not installed",
                hint=f"pip install {name.replace('_', '-')}, or leave it out of trackers",
            )
        self._name, self._params = name, dict(params or {})
        self._spec: Mapping[str, Any] = {}
        self._tracker: GeneralTracker | None = None
        self._before = self._last = 0
        self._failed = False

    @hookimpl
    def emosym_run_started(self, run: Path, spec: Mapping[str, Any]) -> None:
        self._spec = spec

    @hookimpl
    def emosym_stage_started(self, run: Path, stage: str, steps: int, step: int) -> None:
        done = RunFolder(Path(run)).done()
        self._before = sum(facts["steps"] for name, facts in done.items() if name != stage)
        if self._tracker is None:
            self._tracker = self._start(Path(run), self._before + step)

    def _start(self, run: Path, step: int) -> GeneralTracker:
        make = LOGGER_TYPE_TO_CLASS[self._name]
        params = {"project": "emosym", **self._params}
        project = params.pop("project")
        if self._name == "tensorboard":
            # purge_step hides what an interrupted attempt wrote beyond the step that is done again.
            project, params = "tensorboard", {"purge_step": step + 1 if step else None, **params}
        if make.requires_logging_directory:
            params.setdefault("logging_dir", str(run))
        tracker: GeneralTracker = make(project, **params)
        tracker.start()
        tracker.store_init_configuration(dict(_flat(self._spec)))
        return tracker

    @hookimpl
    def emosym_step_finished(self, run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._log({f"{stage}/{name}": float(value) for name, value in values.items()}, self._before + step)

    @hookimpl
    def emosym_run_finished(self, run: Path, summary: Mapping[str, Any]) -> None:
        figures = {name: value for name, value in _flat(summary) if isinstance(value, (int, float))}
        self._log(figures, self._last)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        """A tracker that fails, as one whose network is gone does, is said once and stops no run."""
        if self._tracker is None:
            return
        self._last = step
        try:
            self._tracker.log(dict(values), step=step)
        except Exception as error:  # trackers raise what their libraries raise
            if not self._failed:
                said = f"{type(error).__name__}: {first_line(error)}"
                print(f"warning: tracker {self._name}: {said}; the run goes on", file=sys.stderr)
            self._failed = True

    def close(self) -> None:
        """Flush and close the tracker, also after a failure."""
        if self._tracker is not None:
            self._tracker.finish()
            self._tracker = None


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Scalars of nested mappings by dotted name, anything else as text, as trackers take them."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            plain = value is None or isinstance(value, (bool, int, float, str))
            yield f"{prefix}{name}", value if plain else str(value)


def drop_beyond(path: Path, stage: str, step: int) -> None:
    """Rewrite a metrics file without the lines of ``stage`` after ``step``, whole or not at all."""
    lines = read_json_lines(path)
    write_json_lines(path, [line for line in lines if line["stage"] != stage or line["step"] <= step])


def _now() -> dict[str, float]:
    return {"time": round(time.time(), 3)}


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
