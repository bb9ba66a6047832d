"""What only a later stage would notice is refused before anything trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from emosym_registry import EmosymError, Registry

from emosym.experiment.run import run_experiment
from emosym.spec import load_spec


@pytest.mark.parametrize(
    ("change", "id", "words"),
    [
        (
            "fusion.params.vectors=200",
            "fusion.too-many-vectors",
            "additive makes 200 vectors: prompt 'a picture of",
        ),
        ("stages={compress: null, reinforce: null, unify: null}", "run.no-stages", "no stage to run"),
        ("compute.device=tpu", "compute.no-device", "^'tpu' is no device that torch knows\n"),
    ],
)
def test_a_run_that_cannot_end_well_does_not_begin(
    change: str, id: str, words: str, registry: Registry, sets: tuple[str, ...], tmp_path: Path
) -> None:
    kept = [one for one in sets if not (one.startswith("stages.") and "stages={" in change)]
    resolved = load_spec("preset:tiny", registry=registry, sets=[*kept, change])
    with pytest.raises(EmosymError, match=words) as error:
        run_experiment(resolved, registry, tmp_path / "run")
    assert error.value.id == id
    assert not (tmp_path / "run").exists()


def test_rewards_that_no_stage_uses_are_not_built(
    registry: Registry, sets: tuple[str, ...], tmp_path: Path
) -> None:
    kept = [one for one in sets if not one.startswith("stages.")]
    off = ["labels=binary", "stages={reinforce: null, unify: null}", "judges={bank: null, evaluate: null}"]
    resolved = load_spec("preset:tiny", registry=registry, sets=[*kept, *off, "metrics=[accuracy]"])
    assert "wheel" in {resolved.component(f"rewards.{i}") for i in range(len(resolved.spec.rewards))}
    assert set(
        run_experiment(resolved, registry, tmp_path / "run", smoke=True)["understanding"]["stages"]
    ) == {"compress"}
