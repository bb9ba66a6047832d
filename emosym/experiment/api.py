"""Training in Python: ``emosym.train`` and what it gives, a :class:`Run`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError, Registry, load_registry

from emosym.contracts.notebook import table
from emosym.experiment.callbacks import as_listener
from emosym.experiment.folder import RunFolder
from emosym.experiment.progress import show_progress
from emosym.experiment.run import run_experiment
from emosym.report import METRICS
from emosym.report.tables import tables
from emosym.spec import Resolved, load_spec, plugins_only
from emosym.spec.model import STAGES
from emosym.system import System
from emosym.toolkit import read_json, read_json_lines

RUNS = Path("runs")


def train(
    spec: Path | str | Mapping[str, Any] | Resolved,
    *,
    sets: Sequence[str] = (),
    out: Path | str | None = None,
    callbacks: Sequence[object] = (),
    progress: bool = True,
    resume: bool = False,
    smoke: bool = False,
    device: str | None = None,
    precision: str | None = None,
    registry: Registry | None = None,
    trust_remote_code: bool = False,
) -> Run:
    """Run an experiment as ``emosym run`` does: every stage, the evaluation and the report; the finished run.

    ``spec`` is a YAML file, a preset (``"preset:tiny"``, or ``"tiny"`` where no file is called so), a mapping of what such
    a file holds, or what :func:`emosym.load_spec` gave; ``sets`` are overrides (``"seed=3"``). The run goes to ``out``,
    by default ``runs/NAME``; with ``resume`` the run that is there goes on. ``smoke`` takes two steps of each stage, to
    see that a spec runs. ``progress`` shows on stderr what the command line shows.

    ``callbacks`` are objects with any of the methods ``emosym_run_started``, ``emosym_stage_started``,
    ``emosym_step_finished``, ``emosym_bank_refreshed``, ``emosym_stage_finished``, ``emosym_run_finished`` and
    ``emosym_run_failed``, each with any of its hook's arguments. What one raises stops the run, which ``resume``
    continues from its last checkpoint.

    Errors: those of the spec, ``train.unknown-hook``, ``train.no-hook``, ``train.bad-hook``, ``run.exists``,
    ``run.nothing-to-resume``, ``run.spec-changed``, and those of the components.
    """
    listeners = [as_listener(one) for one in callbacks]
    if isinstance(spec, Resolved):
        if sets:
            message = "sets were given with a spec that is resolved already"
            raise EmosymError("train.late-sets", message, hint="give them to load_spec")
        registry = registry or load_registry()
        resolved = spec
    else:
        source = _source(spec)
        registry = registry or load_registry(only=plugins_only(source, sets))
        resolved = load_spec(source, registry=registry, sets=sets)
    folder = RUNS / resolved.spec.name if out is None else Path(out)
    with show_progress() if progress else nullcontext() as shown:
        run_experiment(
            resolved,
            registry,
            folder,
            resume=resume,
            smoke=smoke,
            device=device,
            precision=precision,
            trust_remote_code=trust_remote_code,
            listeners=[*([] if shown is None else [shown]), *listeners],
        )
    return Run(folder)


def _source(spec: Path | str | Mapping[str, Any]) -> Path | str | Mapping[str, Any]:
    """A bare word is a preset where no file is called so."""
    bare = isinstance(spec, str) and re.fullmatch(r"[\w-]+", spec) and not Path(spec).exists()
    return f"preset:{spec}" if bare else spec


class Run:
    """A run that has come to its end or is under way: ``Run("runs/tiny")``.

    ``folder`` is its path. Errors: ``run.missing`` where there is no run.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not (self.folder / "spec.yaml").is_file():
            what = "no spec.yaml in it, so it is no run" if self.folder.is_dir() else "no such folder"
            raise EmosymError("run.missing", f"{self.folder}: {what}", hint="train one with emosym.train(…)")

    @property
    def finished(self) -> bool:
        """Whether it has come to its end."""
        return (self.folder / "summary.json").is_file()

    @property
    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` holds: ``understanding``, ``generation``, ``seconds`` … Errors: ``run.unfinished``."""
        self._require("summary.json")
        found: dict[str, Any] = read_json(self.folder / "summary.json")
        return found

    @property
    def figures(self) -> dict[str, float]:
        """The figures of the final system by name, ``understanding/accuracy`` for one. Errors: ``run.unfinished``."""
        halves = {half: self.summary.get(half) or {} for half in ("understanding", "generation")}
        return {
            f"{half}/{name}": float(value)
            for half, own in halves.items()
            for name, value in own.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """A row for each optimiser step so far: ``stage``, ``step``, ``time`` (Unix seconds) and its scalars, such as
        ``loss``."""
        return list(read_json_lines(self.folder / METRICS))

    @property
    def report(self) -> Path:
        """The path of ``report.html``. Errors: ``run.unfinished``."""
        return self._require("report.html")

    @cached_property
    def system(self) -> System:
        """The trained system, loaded when it is first asked for. Errors: ``run.unfinished``, those of loading one."""
        self._require("system")
        return System.load(self.folder)

    def _require(self, name: str) -> Path:
        path = self.folder / name
        if path.exists():
            return path
        spec = self.folder / "spec.yaml"
        raise EmosymError(
            "run.unfinished",
            f"{self.folder}: this run has not come to its end, so it has no {name} yet",
            hint=f"continue it: emosym.train({str(spec)!r}, out={str(self.folder)!r}, resume=True)",
        )

    def _state(self) -> str:
        if self.finished:
            return "finished"
        done = RunFolder(self.folder).done()
        return f"after {', '.join(stage for stage in STAGES if stage in done)}" if done else "begun"

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self._state()}{self._headlines()})"

    def _headlines(self) -> str:
        """The last row of its first table."""
        first = next(iter(tables(self.summary)), None) if self.finished else None
        if first is None:
            return ""
        cells = zip(first.header[1:], first.rows[-1][1:], strict=True)
        return "".join(f", {name} {value}" for name, value in cells if value)

    def _repr_html_(self) -> str:
        """Its tables, as the command line prints them."""
        title = f"Run {self.folder}: {self._state()}"
        if not self.finished:
            return table(title, (), ())
        return "".join(
            table(title if not number else "", one.header, one.rows)
            for number, one in enumerate(tables(self.summary))
        )
