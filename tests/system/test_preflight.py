"""What only a later stage would notice is refused before anything trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from emosym_data.config import ImageFolderConfig
from emosym_data.image_folder import ImageFolder
from emosym_registry import EmosymError, Registry
from PIL import Image

from emosym.contracts import Context, LabelSet
from emosym.experiment.preflight import require_shapes
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


def test_a_launcher_that_spreads_weights_over_processes_is_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(EmosymError, match="the launcher asks for FSDP") as error:
        run_experiment(load_spec("preset:tiny", registry=registry), registry, tmp_path / "run", smoke=True)
    assert error.value.id == "compute.sharded"
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


def test_a_picture_that_the_backbone_would_refuse_in_mid_stage_is_named_before(
    registry: Registry, tmp_path: Path
) -> None:
    for label in ("joy", "sadness"):
        (tmp_path / label).mkdir()
        for number in range(6):
            Image.new("RGB", (200, 1)).save(tmp_path / label / f"{number}.png")
    context = Context(labels=LabelSet.of(["joy", "sadness"]))
    offer = registry.find("backbone", "qwen-vl")
    require_shapes(ImageFolder(ImageFolderConfig(root=str(tmp_path)), context), offer)
    strip = tmp_path / "joy" / "strip.png"
    Image.new("RGB", (10, 2420)).save(strip)
    data = ImageFolder(ImageFolderConfig(root=str(tmp_path)), context)
    with pytest.raises(EmosymError, match=f"{strip} has 10×2420 pixels; qwen-vl takes pictures up to 200:1"):
        require_shapes(data, offer)
    require_shapes(data, registry.find("backbone", "llava"))
