"""A run whose backbone is frozen, or whose adapters act at the tokens alone: what learns, and what is saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from emosym_registry import Registry

from emosym.experiment.run import run_experiment
from emosym.spec import load_spec
from emosym.storage import read_state
from emosym.system import System
from emosym.testing.pictures import picture


@pytest.mark.parametrize("training", ["frozen", "activated"])
def test_every_stage_reads_after_the_frozen_models_prompt(
    training: str, registry: Registry, sets: tuple[str, ...], tmp_path: Path
) -> None:
    ways = (f"backbone.params.training={training}", "backbone.params.emotion_sees=context")
    resolved = load_spec("preset:tiny", registry=registry, sets=(*sets, *ways))
    run_experiment(resolved, registry, tmp_path)
    for stage in ("compress", "reinforce", "unify"):
        norms = json.loads((tmp_path / "evaluation" / f"gradients-{stage}.json").read_text())
        learns = {name.split("/")[0] for name in norms}
        assert ("adapters" in learns) == (training == "activated")
        assert {"tokens", "head"} <= learns
    state = read_state(tmp_path / "checkpoints" / "unify")
    before = System.new(
        "preset:tiny", sets=[f"seed={resolved.spec.seed}", *sets, *ways], registry=registry, device="cpu"
    )
    assert bool(state.get("adapters", {})) == (training == "activated")
    system = System.load(tmp_path, registry=registry, device="cpu", precision="fp32")
    assert not torch.equal(system.compressor.tokens(1), before.compressor.tokens(1))
    reading = system.understand([picture(3)])[0]
    assert sum(reading.probabilities.values()) == pytest.approx(1, abs=1e-4)
