"""The folder of a study: its plan, the spec and the run of each cell, finished stages, and what has failed."""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from emosym_registry import EmosymError
from emosym_registry.errors import first_line

from emosym.ablation.study import Cell, Study, plan
from emosym.experiment.lock import owner_of
from emosym.spec.model import STAGES
from emosym.toolkit import make_folder, read_json, write_json

State = Literal["open", "running", "done", "failed"]


@dataclass(frozen=True)
class Planned:
    """A cell of the plan. ``name`` is that of its folders; ``stages`` are keys of its stages, in their order, which are equal
    where what they read in their specs is."""

    digest: str
    name: str
    rows: tuple[str, ...]
    seed: int
    stages: Mapping[str, str]

    @classmethod
    def of(cls, cell: Cell, name: str = "") -> Planned:
        return cls(cell.digest, name or cell.name, cell.rows, cell.seed, cell.stages)


@dataclass(frozen=True)
class StudyFolder:
    """Paths of one study, and what the files say of its cells: nobody keeps any other record, so that whoever works on the
    folder next knows as much."""

    path: Path
    store: Path
    """Where finished stages are."""

    @classmethod
    def open(cls, path: Path) -> StudyFolder:
        """A folder that :meth:`write` has written. Errors: ``study.not-a-study``."""
        try:
            return cls(path, Path(read_json(path / "plan.json")["store"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EmosymError(
                "study.not-a-study",
                f"{path} holds no study: {first_line(error)}",
                hint="make one with: emosym ablate STUDY.yaml",
            ) from error

    def write(self, study: Study, *, smoke: bool = False) -> None:
        """Write the plan and the spec of every cell; cells that are there stay.

        Errors: ``study.smoke`` where what is there is not ``smoke`` as this is, ``run.cannot-write``.
        """
        make_folder(self.path)
        if (self.path / "plan.json").is_file() and (before := bool(self.plan.get("smoke"))) is not smoke:
            what = "smoke runs, whose figures mean nothing" if before else "whole runs, no smoke runs"
            raise EmosymError(
                "study.smoke", f"{self.path} holds a study of {what}", hint="choose another --out"
            )
        specs = make_folder(self.path / "specs")
        there = {one.name.rpartition("-")[2]: one.name for one in specs.iterdir()}
        cells = [Planned.of(cell, there.get(cell.digest, "")) for cell in study.cells]
        for cell, planned in zip(study.cells, cells, strict=True):
            if not self.spec(planned).is_file():
                cell.resolved.save(make_folder(specs / planned.name), qualified=True)
        write_json(
            self.path / "plan.json",
            {
                **plan(study),
                "smoke": smoke,
                "cells": [vars(one) for one in cells],
                "store": str(self.store.absolute()),
            },
        )

    @property
    def plan(self) -> dict[str, Any]:
        """What :meth:`write` wrote."""
        data: dict[str, Any] = read_json(self.path / "plan.json")
        return data

    def cells(self) -> list[Planned]:
        """The cells of the plan, in its order."""
        return [Planned(**{**one, "rows": tuple(one["rows"])}) for one in self.plan["cells"]]

    def spec(self, cell: Planned) -> Path:
        return self.path / "specs" / cell.name / "spec.yaml"

    def run(self, cell: Planned) -> Path:
        return self.path / "cells" / cell.name

    # ---- what has become of a cell

    def state(self, cell: Planned) -> State:
        """What the files say of a cell."""
        run = self.run(cell)
        if (run / "summary.json").is_file() and (run / "report.html").is_file():
            return "done"
        if self.failure(cell):
            return "failed"
        return "running" if owner_of(run) is not None else "open"

    def begun(self, cell: Planned) -> bool:
        return (self.run(cell) / "spec.yaml").is_file()

    def failure(self, cell: Planned) -> dict[str, Any]:
        """What went wrong with a cell; empty where nothing did."""
        path = self.path / "failures" / f"{cell.name}.json"
        return dict(read_json(path)) if path.is_file() else {}

    def fail(self, cell: Planned, error: BaseException) -> None:
        """Record that a cell has failed."""
        message = (
            error.message
            if isinstance(error, EmosymError)
            else f"{type(error).__name__}: {first_line(error)}"
        )
        write_json(
            self.path / "failures" / f"{cell.name}.json",
            {
                "message": message,
                "hint": getattr(error, "hint", ""),
                "id": getattr(error, "id", ""),
                "host": socket.gethostname(),
                "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "traceback": "".join(traceback.format_exception(error)),
            },
        )

    def forgive(self, cell: Planned) -> None:
        """Let a cell that has failed be tried again."""
        (self.path / "failures" / f"{cell.name}.json").unlink(missing_ok=True)

    # ---- shared stages

    def _stage(self, stage: str, key: str) -> list[Path]:
        return list(self.store.glob(f"{stage}-{key}-*")) if self.store.is_dir() else []

    def finished(self, stage: str, key: str) -> bool:
        """Whether somebody has trained a stage that reads the same in its spec."""
        return any((one / "result" / "stage.json").is_file() for one in self._stage(stage, key))

    def awaited(self, cell: Planned) -> bool:
        """Whether the next stage that a cell needs is being trained for another one."""
        done = (
            read_json(progress)
            if (progress := self.run(cell) / "checkpoints" / "progress.json").is_file()
            else {}
        )
        for stage, key in cell.stages.items():
            if stage not in done and not self.finished(stage, key):
                return any(owner_of(one) is not None for one in self._stage(stage, key))
        return False

    def size(self) -> int:
        """Bytes of all files of the study, each once."""
        seen = {}
        for folder, _, files in os.walk(self.path):
            for name in files:
                status = (Path(folder) / name).lstat()
                seen[status.st_dev, status.st_ino] = status.st_size
        return sum(seen.values())

    def facts(self, cell: Planned) -> Iterator[tuple[str, dict[str, Any]]]:
        """Finished stages of a cell with their facts."""
        path = self.run(cell) / "checkpoints" / "progress.json"
        done = read_json(path) if path.is_file() else {}
        yield from ((stage, done[stage]) for stage in STAGES if stage in done)
