"""Where the time of a run goes: by phase, and within steps by operator."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any


class Phases:
    """Seconds by phase; a phase within another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = 0.0

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        outer, self._inner, start = self._inner, 0.0, time.perf_counter()
        try:
            yield
        finally:
            taken = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + taken - self._inner
            self._inner = outer + taken

    def watch(self, owner: Any, method: str, name: str | Callable[..., str]) -> None:
        """Time a method or a function from here on."""
        whole = getattr(owner, method)

        def timed(*given: Any, **more: Any) -> Any:
            with self.timed(name if isinstance(name, str) else name(*given)):
                return whole(*given, **more)

        setattr(owner, method, timed)


def of_a_run() -> Phases:
    """Time the phases of the run that comes next in this process."""
    from emosym.experiment import run
    from emosym.stages.compress import Compress
    from emosym.stages.reinforce import Reinforce
    from emosym.stages.unify import Unify
    from emosym.training import loop

    phases = Phases()
    phases.watch(run, "build_parts", "list the data")
    phases.watch(run, "require_splits", "list the data")
    phases.watch(run, "require_shapes", "before training")
    phases.watch(run, "fingerprint", "before training")
    for stage in (Compress, Reinforce, Unify):
        phases.watch(stage, "before", f"prepare {stage.name}")
        phases.watch(stage, "finish", f"finish {stage.name}")
    phases.watch(loop, "one_step", lambda _, stage, *__: f"steps of {stage.name}")
    phases.watch(Unify, "refresh", "refresh the bank")
    phases.watch(run.Experiment, "close_stage", "evaluate and save")
    phases.watch(run.Experiment, "conclude", "evaluate and save")
    return phases
