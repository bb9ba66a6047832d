"""One small run of the embedded system, shared by the tests that look at what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from emosym_registry import Registry

from emosym.spec import Resolved, load_spec
from emosym.stages.run import run_experiment

SMALL = (
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
    torch.set_num_threads(2)
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


@pytest.fixture(scope="session")
def run(small: Resolved, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished small run."""
    out = tmp_path_factory.mktemp("runs") / "small"
    run_experiment(small, registry, out)
    return out
