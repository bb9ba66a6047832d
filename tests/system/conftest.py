"""One small run of the embedded system, shared by the tests that look at what came out."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from emosym_registry import Registry, hookimpl

from emosym.experiment.run import run_experiment
from emosym.spec import Resolved, load_spec
from emosym.training.stopping import Terminated

SMALL = (
    # With adapters, so that there is something of every group; what else a backbone may learn: test_training_ways.py.
    "backbone.params.training=lora",
    "compressor.params.tokens=4",
    "data.params.train=96",
    "data.params.val=24",
    "data.params.test=48",
    "compute.precision=fp32",
    "compute.device=cpu",
    "stages.compress.steps=6",
    "stages.reinforce.steps=6",
    "stages.unify.steps=6",
    "stages.compress.batch_size=16",
    "stages.reinforce.batch_size=8",
    "stages.unify.batch_size=8",
    "stages.unify.refresh.every=3",
    "stages.unify.refresh.per_class=2",
    "stages.unify.refresh.sampling_steps=4",
    "evaluation.per_class=2",
    "evaluation.sampling_steps=4",
)


@pytest.fixture(scope="session", autouse=True)
def _world_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOSYM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def sets() -> tuple[str, ...]:
    """The overrides that make the small run."""
    return SMALL


@pytest.fixture(scope="session")
def small(registry: Registry, _world_cache: Any) -> Resolved:
    """The embedded spec, cut down to seconds."""
    return load_spec("preset:tiny", registry=registry, sets=SMALL)


class Recorder:
    """Every lifecycle call in order: the hook's name and its arguments."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    @hookimpl
    def emosym_run_started(self, run: Path, spec: Any, resumed: bool) -> None:
        self.calls.append(("emosym_run_started", {"run": run, "spec": spec, "resumed": resumed}))

    @hookimpl
    def emosym_stage_started(self, run: Path, stage: str, steps: int, step: int) -> None:
        self.calls.append(
            ("emosym_stage_started", {"run": run, "stage": stage, "steps": steps, "step": step})
        )

    @hookimpl
    def emosym_step_finished(self, run: Path, stage: str, step: int, values: Any) -> None:
        self.calls.append(
            ("emosym_step_finished", {"run": run, "stage": stage, "step": step, "values": values})
        )

    @hookimpl
    def emosym_stage_finished(self, run: Path, stage: str, summary: Any) -> None:
        self.calls.append(("emosym_stage_finished", {"run": run, "stage": stage, "summary": summary}))

    @hookimpl
    def emosym_bank_refreshed(self, run: Path, step: int, refresh: Any) -> None:
        self.calls.append(("emosym_bank_refreshed", {"run": run, "step": step, "refresh": refresh}))

    @hookimpl
    def emosym_run_finished(self, run: Path, summary: Any) -> None:
        report = (run / "report.html").is_file()
        self.calls.append(("emosym_run_finished", {"run": run, "summary": summary, "report": report}))

    @hookimpl
    def emosym_run_failed(self, run: Path, reason: BaseException) -> None:
        self.calls.append(("emosym_run_failed", {"run": run, "reason": reason}))


@pytest.fixture
def listener() -> Recorder:
    """One that hears a run of the test's own."""
    return Recorder()


@pytest.fixture(scope="session")
def recorder() -> Recorder:
    """What the small run told those who listened; empty before ``run``."""
    return Recorder()


@pytest.fixture(scope="session")
def run(
    small: Resolved, registry: Registry, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a finished small run."""
    out = tmp_path_factory.mktemp("runs") / "small"
    run_experiment(small, registry, out, listeners=[recorder])
    return out


class After:
    """Does something after a step of a stage."""

    def __init__(self, stage: str, step: int, do: Callable[[], object]) -> None:
        self.stage, self.step, self.do = stage, step, do

    @hookimpl
    def emosym_step_finished(self, stage: str, step: int) -> None:
        if (stage, step) == (self.stage, self.step):
            self.do()


def ask_to_stop() -> None:
    """Send the process SIGTERM, as a cluster does before it kills."""
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="session")
def stopped(small: Resolved, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run, asked to stop after the fourth step of unify, which comes after a refresh of the bank."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(Terminated):
        run_experiment(small, registry, folder, listeners=[After("unify", 4, ask_to_stop)])
    return folder
