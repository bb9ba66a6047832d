"""A run folder: what is in it and where."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from emosym_registry import EmosymError, Registry
from emosym_registry.errors import first_line

from emosym.contracts import SPLITS, Dataset
from emosym.experiment import git
from emosym.experiment.lock import NAME as LOCK, locked
from emosym.spec import Resolved, begun_with
from emosym.spec.model import STAGES
from emosym.spec.saved import FILE as COMPONENTS
from emosym.toolkit import cannot_write, sweep, write_json
from emosym.toolkit.files import FULL
from emosym.training.checkpoint import read_facts, steps_of


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run. See ``docs`` for what each file holds."""

    path: Path

    @contextmanager
    def opened(self, resolved: Resolved, *, resume: bool, smoke: bool = False) -> Iterator[None]:
        """Own the folder for the time of the block: begin a run in it, or continue the one that it holds.

        A run that fails before its first stage leaves nothing behind: mend the cause and give the same command again.
        Errors: ``run.locked``, ``run.exists``, ``run.not-a-run``.
        """
        made = not self.path.exists()
        try:
            with locked(self.path):
                self._check(resume=resume)
                for folder in (self.path, *(self.path / name for name in ("checkpoints", "evaluation"))):
                    sweep(folder)
                if not resume:
                    write_json(self.identity, {"id": uuid4().hex, "smoke": smoke})
                    resolved.save(self.path, qualified=True)
                try:
                    with self._explaining():
                        yield
                except BaseException:
                    if not (resume or self.started or self.progress.parent.exists()):
                        self._forget()
                    raise
        finally:
            if made:
                with suppress(OSError):
                    self.path.rmdir()  # only where nothing is in it

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """What the system says of a file of the run, or of a full or broken disk, becomes one error."""
        try:
            yield
        except OSError as error:
            named = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else None
            if named is not None and self.path in named.parents:
                raise cannot_write(named, error) from error
            if named is None and error.errno in (*FULL, errno.EROFS, errno.EIO):
                raise cannot_write(self.path, error) from error
            raise

    def _check(self, *, resume: bool) -> None:
        if self.spec.exists() and not resume:
            raise EmosymError(
                "run.exists",
                f"{self.path} already holds a run",
                hint="continue it with --resume, or choose another --out",
            )
        there = {one.name for one in self.path.iterdir() if not one.name.startswith(".")}
        if not resume and there - {self.identity.name, COMPONENTS}:  # which alone a beginning may have left
            raise EmosymError(
                "run.not-a-run", f"{self.path} is not empty and holds no run", hint="choose another --out"
            )

    def _forget(self) -> None:
        """Remove what a run that never started has written, and nothing else."""
        for one in self.path.iterdir() if self.path.is_dir() else ():
            if one.name == LOCK:
                continue
            with suppress(OSError):
                shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()

    def continued(self, given: Resolved, registry: Registry) -> Resolved:
        """The spec with which the run goes on, which :func:`emosym.spec.begun_with` holds against the one ``given``.

        Errors: ``run.nothing-to-resume``, ``run.spec-changed``.
        """
        if not self.spec.exists():
            raise EmosymError(
                "run.nothing-to-resume",
                f"{self.path} holds no run to resume",
                hint="leave --resume out to start it",
            )
        return begun_with(self.spec, given, registry)

    def require_whole(self) -> None:
        """Refuse to go on in a folder that was taken away: ``run.folder-gone``."""
        if not self.started:
            raise EmosymError(
                "run.folder-gone",
                f"{self.provenance} is gone, while the run goes on in {self.path}",
                hint="put the folder back and resume, or start a new run with --out; nothing more is written",
            )

    @property
    def identity(self) -> Path:
        return self.path / "run.json"

    @property
    def id(self) -> str:
        """What tells this run from every other one."""
        facts = _read_json(self.identity) if self.identity.exists() else {}
        return str(facts.get("id", ""))

    @property
    def smoke(self) -> bool:
        """Whether it only looks whether its spec runs at all."""
        return self.identity.exists() and _read_json(self.identity).get("smoke") is True

    @property
    def spec(self) -> Path:
        return self.path / "spec.yaml"

    @property
    def system(self) -> Path:
        return self.path / "system"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def started(self) -> bool:
        """Whether everything was built and the run began; before that there is nothing in it worth keeping."""
        return self.provenance.exists()

    @property
    def provenance(self) -> Path:
        return self.path / "provenance.json"

    @property
    def progress(self) -> Path:
        return self.path / "checkpoints" / "progress.json"

    def checkpoint(self, name: str) -> Path:
        """Folder with the weights of a finished stage."""
        return self.path / "checkpoints" / name

    def done(self) -> dict[str, Any]:
        """Finished stages with their facts."""
        done = _read_json(self.progress) if self.progress.exists() else {}
        for stage, facts in done.items():
            if stage not in STAGES or not isinstance(facts, dict) or not isinstance(facts.get("steps"), int):
                raise _damaged(self.progress, f"it says {facts!r} of {stage!r}"[:200])
        return done

    def elapsed(self) -> float:
        """Seconds that earlier sessions of the run took, as far as they are recorded."""
        known = [facts.get("elapsed", 0.0) for facts in self.done().values()]
        for stage in STAGES:
            for folder in steps_of(self.path / "checkpoints", stage)[-1:]:
                with suppress(ValueError):
                    known.append(read_facts(folder)["elapsed"])
        return max([0.0, *map(float, known)])

    def forget_steps(self, *, keep: int) -> None:
        """Remove the checkpoints of stages that are done; who keeps more than the newest keeps them for good."""
        for stage in self.done() if keep == 1 else ():
            for old in steps_of(self.path / "checkpoints", stage):
                shutil.rmtree(old)

    def record(self, facts: Mapping[str, Any], *, changed_data: bool) -> None:
        """Write down where and with what the run begins, or goes on: earlier sessions stay.

        Errors: ``run.data-changed`` where the data are not those that it began with.
        """
        if not self.started:
            write_json(self.provenance, facts)
            return
        first = _read_json(self.provenance)
        sessions = first.setdefault("resumed", [])
        before = (sessions or [first])[-1].get("data", {}).get("fingerprint")
        if before not in (None, facts["data"]["fingerprint"]) and not changed_data:
            raise EmosymError(
                "run.data-changed",
                f"the data are not those that {self.path} began with: samples or labels have changed since",
                hint="put them back, or go on with the data as they are with --changed-data",
            )
        sessions.append(dict(facts))
        write_json(self.provenance, first)

    def mark_done(self, stage: str, facts: Mapping[str, Any]) -> None:
        write_json(self.progress, {**self.done(), stage: dict(facts)})


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, first_line(error)) from error
    if not isinstance(value, dict):
        raise _damaged(path, "it holds no object")
    return value


def _damaged(path: Path, why: str) -> EmosymError:
    return EmosymError(
        "run.damaged", f"{path} cannot be read: {why}", hint="restore it, or start a new run with --out"
    )


def provenance(plugins: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Versions, git state and machine, for ``provenance.json``."""
    names = ("emosym", "torch", "transformers", "diffusers", "peft", "accelerate", "open-clip-torch", "numpy")
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": {name: _version(name) for name in names},
        "plugins": dict(plugins),
        "git": git.state(),
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
        },
        "command": sys.argv,
        **more,
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def fingerprint(dataset: Dataset[Any]) -> str:
    """sha256 over ids and labels of every split, in their order."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for sample in dataset.split(split):
            digest.update(f"{split}\0{sample.id}\0{sample.label}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far, or on Linux since :func:`forget_peak`."""
    with suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def forget_peak() -> None:
    """Let the peak be measured from now on, where the system can: a process may run one cell of a study after another."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
