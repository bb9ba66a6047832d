"""A run folder: what is in it and where."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

from emosym.experiment import git
from emosym.spec import Resolved
from emosym.toolkit import write_json


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run. See ``docs`` for what each file holds."""

    path: Path

    @classmethod
    def open(cls, path: Path, resolved: Resolved, *, resume: bool) -> RunFolder:
        """Create a run folder, or continue one; an existing one is refused without ``resume``."""
        folder = cls(path)
        started = folder.spec.exists()
        if started and not resume:
            raise EmosymError(
                "run.exists",
                f"{path} already holds a run",
                hint="continue it with --resume, or choose another --out",
            )
        if not started and path.exists() and any(path.iterdir()):
            raise EmosymError(
                "run.not-a-run", f"{path} is not empty and holds no run", hint="choose another --out"
            )
        if resume and not started:
            raise EmosymError(
                "run.nothing-to-resume",
                f"{path} holds no run to resume",
                hint="leave --resume out to start it",
            )
        if resume and folder.spec.read_text(encoding="utf-8") != resolved.to_yaml():
            raise EmosymError(
                "run.spec-changed",
                f"{folder.spec} differs from the spec given, so the run cannot be continued with it",
                hint="give the same spec and --set values, or start a new run with --out",
            )
        path.mkdir(parents=True, exist_ok=True)
        if not started:
            resolved.save(path)
        return folder

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
        """Folder of a checkpoint: a stage's name, or ``last``."""
        return self.path / "checkpoints" / name

    def done(self) -> dict[str, Any]:
        """Finished stages with their facts."""
        try:
            return json.loads(self.progress.read_text(encoding="utf-8")) if self.progress.exists() else {}
        except (OSError, ValueError) as error:
            raise EmosymError(
                "run.damaged",
                f"{self.progress} cannot be read: {error}",
                hint="restore it, or start a new run with --out",
            ) from error

    def mark_done(self, stage: str, facts: Mapping[str, Any]) -> None:
        write_json(self.progress, {**self.done(), stage: dict(facts)})


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


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
