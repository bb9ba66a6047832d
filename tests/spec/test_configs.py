"""Every spec we ship is sound, offline, and each preset does what its name says (docs/explanation/method.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import Registry, load_registry

from emosym.spec import Origin, Resolved, check_preset, deviations, explain, load_spec
from emosym.spec.layers import BUILT_IN, stage_preset
from emosym.spec.model import STAGES
from emosym.spec.text import read_file

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob("*.yaml")
    if not {"accelerate", "ablations"} & {*path.parts}
)
ABOUT_THE_MACHINE = {
    "attention", "batch_size", "cache_megabytes", "compile", "decode_batch", "device_map", "dtype",
    "local_files_only", "namespace", "padding_side", "params", "url", "vae_slicing", "vae_tiling", "variant", "verify",
    "annotations",
}  # fmt: skip
"""Parameters that change no result of the method (``params`` of a component that takes none is empty)."""
ABOUT_THE_DATA = {"on_bad_image", "limit", "label_fraction", "labelled", "subset_seed"}
"""Fewer images or labels than there are, and broken ones, which is a study's own choice."""
ABOUT_WHAT_IS_SHOWN = {"safety_checker"}
"""What is left out of what was painted: no part of the method."""
REAL = [name for name in FILES if name.startswith(("paper/", "official/"))]


@pytest.fixture(scope="module")
def installed() -> Registry:
    """The plugins that are really there."""
    return load_registry(strict=True)


@pytest.fixture(scope="module")
def config(installed: Registry) -> Callable[[str], Resolved]:
    """A shipped spec, resolved without looking at any data or weights."""
    return lambda name: load_spec(CONFIGS / name, registry=installed)


@pytest.mark.parametrize("name", FILES)
def test_every_shipped_spec_is_sound(config: Callable[[str], Resolved], name: str) -> None:
    resolved = config(name)
    assert resolved.spec.backbone.name
    assert not [message for message in resolved.messages if "dropped" in message]


def test_there_is_a_paper_and_an_official_spec_of_each_pair_of_models() -> None:
    assert {name.partition("/")[2] for name in REAL} == {"qwen2-vl-2b_sd15.yaml", "llava-1.5-7b_sdxl.yaml"}
    assert len(REAL) == 4


@pytest.mark.parametrize("name", REAL)
def test_all_stages_use_the_preset_of_the_folder(config: Callable[[str], Resolved], name: str) -> None:
    stages = config(name).spec.stages
    assert {stage.preset for stage in (stages.compress, stages.reinforce, stages.unify) if stage} == {
        name.partition("/")[0]
    }
    assert all((stages.compress, stages.reinforce, stages.unify))


@pytest.mark.parametrize("name", REAL)
def test_hyper_parameters_are_the_methods(config: Callable[[str], Resolved], name: str) -> None:
    resolved = config(name)
    backbone = resolved.config("backbone")
    adapter = backbone.adapter
    assert (adapter.type, adapter.rank, adapter.alpha, adapter.dropout) == ("lora", 64, 128, 0.05)
    assert adapter.targets == ("language",)
    qwen = resolved.component("backbone") == "qwen-vl"
    assert (backbone.min_pixels, backbone.max_pixels) == ((4 * 28**2, 512 * 28**2) if qwen else (None, None))
    optim = resolved.spec.optim
    assert (optim.lr, optim.weight_decay, optim.schedule, optim.warmup) == (1e-4, 0.1, "cosine", 0.03)
    compressor = resolved.config("compressor")
    assert (compressor.temperature, compressor.symmetric, compressor.mask_identical) == (0.07, False, False)
    fusion = resolved.config("fusion")
    assert (fusion.hidden, fusion.vectors, fusion.norm) == (1024, 1, "free")
    diffusion = resolved.config("diffusion")
    assert (diffusion.scheduler, diffusion.steps, diffusion.guidance_scale) == (
        "UniPCMultistepScheduler", 50, 7.5,
    )  # fmt: skip
    assert diffusion.image_size == (512 if resolved.component("diffusion") == "sd" else 1024)
    confidence = resolved.config("rewards.0")
    assert (confidence.correct, confidence.confidence) == (0.3, 0.7)
    components = {path: offer.spec.name for path, offer in resolved.offers.items()}
    assert components["reinforcer"] == "paper"
    assert components["emotion_space"] == "diagonal"
    assert resolved.config("memory").policy == "paper"
    assert resolved.spec.labels == "mikels-8"


@pytest.mark.parametrize("name", REAL)
def test_what_evaluates_has_no_part_in_training(config: Callable[[str], Resolved], name: str) -> None:
    judges = config(name).spec.judges
    assert judges.evaluate is not None
    assert judges.evaluate not in (judges.bank, judges.reward)


def test_the_papers_spec_deviates_from_the_paper_in_nothing(
    config: Callable[[str], Resolved], installed: Registry
) -> None:
    assert deviations(config("paper/qwen2-vl-2b_sd15.yaml"), installed) == []


def test_the_official_specs_differ_where_the_authors_code_does(
    config: Callable[[str], Resolved], installed: Registry
) -> None:
    found = {
        one.path: (one.value, one.reference)
        for one in deviations(config("official/qwen2-vl-2b_sd15.yaml"), installed)
    }
    assert found == {
        "compressor.params.projection": ("text", "context"),
        "fusion.params.activation": ("relu", "gelu"),
        "stages.compress.epochs": (5.0, 3.0),
        "stages.unify.batch_size": (1, 16),
    }
    assert deviations(config("official/qwen2-vl-2b_sd15.yaml"), installed, "official") == []


@pytest.mark.parametrize("name", ["paper", "official"])
def test_presets_say_what_the_method_says(name: str) -> None:
    compress, reinforce, unify = (stage_preset(name, stage).plain() for stage in STAGES)
    assert (compress["ce_weight"], compress["knowledge_weight"], compress["batch_size"]) == (0.5, 0.5, 128)
    assert compress["epochs"] == {"paper": 3, "official": 5}[name]
    assert reinforce["ce_weight"] == 1.0
    assert unify["lr"] == {"fusion": 1e-3, "tokens": 1e-4, "head": 1e-4}
    assert (unify["refresh"]["guidance_scale"], unify["refresh"]["sampling_steps"]) == (7.5, 50)
    assert "adapters" not in unify["train"]
    assert unify["token_gradient"] == 1.0, "the diffusion loss reaches the tokens unscaled"


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_preset_is_complete_and_named_after_its_file(installed: Registry, name: str) -> None:
    assert check_preset(name, installed) == []
    resolved = load_spec(f"preset:{name}", registry=installed)
    assert resolved.messages == []
    assert resolved.spec.name == name
    assert {getattr(resolved.spec.stages, stage).preset for stage in STAGES} == {name}
    assert set(resolved.data()) == set(read_file(BUILT_IN[name], Origin("file")).fields)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_preset_writes_every_parameter_of_the_method(installed: Registry, name: str) -> None:
    resolved = load_spec(f"preset:{name}", registry=installed)
    unwritten = {row.path for row in explain(resolved) if row.source.kind == "default"}
    assert {
        path
        for path in unwritten
        if path.rpartition(".")[2] not in ABOUT_THE_MACHINE | ABOUT_THE_DATA | ABOUT_WHAT_IS_SHOWN
    } == set()


def test_ours_differs_from_the_papers_only_where_a_difference_is_meant(installed: Registry) -> None:
    ours = load_spec("preset:emosym", registry=installed)
    found = {one.path for one in deviations(ours, installed)}
    assert {path for path in found if not path.startswith("stages.")} == {
        "compressor.params.symmetric", "compressor.params.mask_identical", "rewards", "reinforcer.name",
        "fusion.params.vectors", "fusion.params.standardise", "fusion.params.norm", "emotion_space.name",
        "memory.params.policy",
    }  # fmt: skip
    assert {name: ours.component(name) for name in ("reinforcer", "emotion_space")} == {
        "reinforcer": "grpo", "emotion_space": "gaussian",
    }  # fmt: skip
    defaults = {
        path: type(config)()
        for path, config in ours.configs.items()
        if path in ("compressor", "reinforcer", "fusion", "emotion_space", "memory")
    }
    assert {path: ours.config(path) for path in defaults} == defaults, "ours are the components' own defaults"
