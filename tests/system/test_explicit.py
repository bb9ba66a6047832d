"""The explicit baseline as an ordinary run of the embedded world: trained, shared, measured, saved and read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from emosym_registry import EmosymError, Registry
from PIL import Image

from emosym.assembly import Builder, ExperimentParts, build_parts
from emosym.contracts import Sample
from emosym.experiment.run import run_experiment
from emosym.explicit import turn_of
from emosym.spec import Resolved, load_spec
from emosym.stages.explicit import CompressExplicit, turns_of
from emosym.system import System
from emosym.toolkit import read_json

LINE = ("reading=explicit", "stages.reinforce=null", "stages.unify=null", "memory=null")
TIMED = ("metrics=[accuracy, ece, {name: reading-time, params: {images: 4, single: 2, repeats: 1}}]",)


@pytest.fixture(scope="module")
def resolved(registry: Registry, sets: tuple[str, ...]) -> Resolved:
    small = tuple(one for one in sets if "reinforce" not in one and "unify" not in one)
    return load_spec("preset:tiny", registry=registry, sets=(*small, *LINE, *TIMED, "reason_tokens=8"))


@pytest.fixture(scope="module")
def folder(resolved: Resolved, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, whose stage lies in a store beside it."""
    folder = tmp_path_factory.mktemp("explicit")
    run_experiment(resolved, registry, folder / "run", store=folder / "stages")
    return folder


@pytest.fixture(scope="module")
def system(folder: Path, registry: Registry) -> System:
    return System.load(folder / "run", registry=registry, device="cpu", precision="fp32")


def test_it_is_measured_like_any_other_run(folder: Path) -> None:
    summary = read_json(folder / "run" / "summary.json")
    figures = summary["understanding"]
    assert {"accuracy", "ece", "reading_ms", "reading_ms_single"} <= set(figures)
    assert figures["reading_ms"] > 0
    assert (folder / "run" / "evaluation" / "final-readings.parquet").is_file()


def test_adapters_alone_learn_and_every_one_of_them_does(folder: Path) -> None:
    gradients = read_json(folder / "run" / "evaluation" / "gradients-compress.json")
    assert gradients
    assert all(name.startswith("adapters/") and value > 0 for name, value in gradients.items())


def test_a_saved_system_is_the_backbone_s_adapters_and_reads_as_before(folder: Path, system: System) -> None:
    saved = folder / "run" / "system"
    assert [path.stem for path in saved.glob("*.safetensors")] == ["adapters"]
    assert set(system.modules()) == {"backbone"}
    images = [Image.new("RGB", (64, 64), color) for color in ("red", "green", "blue")]
    readings = system.understand(images)
    for reading, image in zip(readings, images, strict=True):
        assert sum(reading.probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert isinstance(reading.text, str)
        again = system.understand([image])[0]
        assert again.text == reading.text
        assert list(again.probabilities.values()) == pytest.approx(
            [*reading.probabilities.values()], abs=1e-4
        )


@pytest.mark.parametrize("use", ["read", "compressor", "head"])
def test_what_is_of_tokens_is_refused(system: System, use: str) -> None:
    with pytest.raises(EmosymError, match=r"it has no reasoning tokens") as caught:
        system.read([Sample.of(Image.new("RGB", (64, 64)))]) if use == "read" else getattr(system, use)
    assert caught.value.id == "system.no-tokens"


def test_it_generates_nothing_and_says_why(system: System) -> None:
    with pytest.raises(EmosymError, match="it writes its reasons") as caught:
        system.generate("awe")
    assert caught.value.id == "generate.understanding-only"


def test_a_run_that_takes_the_stage_measures_its_time_itself(
    folder: Path, resolved: Resolved, registry: Registry
) -> None:
    run_experiment(resolved, registry, folder / "again", store=folder / "stages")
    assert "taken" in read_json(folder / "again" / "checkpoints" / "progress.json")["compress"]
    first, again = (read_json(folder / name / "evaluation" / "compress.json") for name in ("run", "again"))
    assert {name for name in first if first[name] != again[name]} == {
        "reading_ms", "reading_ms_single", "reading_ms_log10", "reading_ms_single_log10",
    }  # fmt: skip


# ---- what is learnt


@pytest.mark.parametrize(
    ("reason", "emotion", "turn"),
    [
        ("it is dark. ", "fear", ("it is dark. Emotion:", " fear")),
        ("it is dark.", None, ("it is dark. Emotion:", "")),
        (None, "fear", ("", "Emotion: fear")),
        ("", None, ("", "")),
    ],
)
def test_a_turn_has_what_is_known(reason: str | None, emotion: str | None, turn: tuple[str, str]) -> None:
    assert turn_of(reason, emotion) == turn


@pytest.fixture(scope="module")
def made(resolved: Resolved, registry: Registry) -> tuple[System, ExperimentParts]:
    """An untrained system and what trains it."""
    builder = Builder.of(resolved, registry, device=torch.device("cpu"), precision="fp32")
    parts = build_parts(builder)
    return System.assemble(builder, text_width=parts.text_width), parts


def stage(
    made: tuple[System, ExperimentParts], samples: list[Sample], parts: Any = None, **changes: Any
) -> CompressExplicit:
    system, own = made
    settings = system.resolved.spec.stages.compress
    assert settings is not None
    settings = settings.model_copy(update={"batch_size": 4, **changes})
    return CompressExplicit(system, settings, parts or own, samples, seed=0)


def test_text_encoder_and_width_are_left_out(made: tuple[System, ExperimentParts]) -> None:
    system, parts = made
    assert (parts.text_encoder, parts.text_width, system.text_width) == (None, 0, 0)
    assert parts.knowledge is not None


def test_the_loss_is_the_weighted_cost_of_reason_and_emotion(made: tuple[System, ExperimentParts]) -> None:
    system, parts = made
    samples = list(parts.dataset.split("train")[:4])
    samples[3] = dataclasses.replace(samples[3], label=None)
    training = stage(made, samples, ce_weight=2.0, knowledge_weight=0.25)
    with system.evaluating():
        terms = training(samples, torch.Generator())
        turns = [training.turns[sample.id] for sample in samples]
        costs = system.backbone.compose(samples, turns)
    assert [bool(answer) for _, answer in turns] == [True, True, True, False]
    wanted = 2.0 * costs[:3, 1].mean() + 0.25 * costs[:, 0].mean()
    assert float(terms.loss) == pytest.approx(float(wanted), abs=1e-5)
    assert terms.values["ce"] == pytest.approx(float(costs[:3, 1].mean()), abs=1e-5)
    assert terms.values["knowledge_present"] == 1.0


def test_without_weight_or_source_of_reasons_the_emotion_alone_is_learnt(
    made: tuple[System, ExperimentParts],
) -> None:
    system, parts = made
    samples = list(parts.dataset.split("train")[:4])
    for training in (
        stage(made, samples, knowledge_weight=0.0),
        stage(made, samples, dataclasses.replace(parts, knowledge=None)),
    ):
        names = system.labels.names
        assert training.turns == {s.id: ("", f"Emotion: {names[s.label or 0]}") for s in samples}
        with system.evaluating():
            assert training(samples, torch.Generator()).values["reason"] == 0.0


def test_samples_of_which_nothing_is_known_are_left_out_and_some_must_stay(
    made: tuple[System, ExperimentParts],
) -> None:
    _, parts = made
    bare = dataclasses.replace(parts, knowledge=None)
    samples = list(parts.dataset.split("train")[:4])
    unknown = [dataclasses.replace(sample, label=None) for sample in samples]
    assert len(stage(made, [*samples[:3], unknown[3]], bare).samples) == 3
    with pytest.raises(EmosymError, match="no training image has a label or a text") as caught:
        stage(made, unknown, bare)
    assert caught.value.id == "training.nothing-to-write"


def test_turns_hold_the_knowledge_s_own_texts(made: tuple[System, ExperimentParts]) -> None:
    system, parts = made
    assert parts.knowledge is not None
    settings = system.resolved.spec.stages.compress
    assert settings is not None
    samples = list(parts.dataset.split("train")[:2])
    turns = turns_of(system, settings, parts, samples)
    texts = parts.knowledge.texts(samples)
    assert [turns[one.id][0] for one in samples] == [f"{text} Emotion:" for text in texts]
