"""A run in which few pictures have a label: what learns from which, and what the bank does with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from emosym_registry import EmosymError, Registry

from emosym.assembly import Builder, build_parts
from emosym.cli import main
from emosym.contracts import Sample
from emosym.experiment.run import run_experiment
from emosym.spec import Resolved, load_spec
from emosym.stages.unify import Unify, originals_of
from emosym.system import System

FEW = (
    "name=few",
    "data.params.labelled=48",
    "judges.bank={name: probe, params: {model: tiny}}",
    "stages.compress=null",
    "stages.reinforce=null",
    "rewards=[]",
    "reinforcer=null",
    "knowledge=null",
    "text_encoder=null",
    "compressor.name=none",
    "stages.unify.unlabelled=true",
    "stages.unify.refresh.context=unlabelled",
    'stages.unify.refresh.prompts=["a {emotion} street", "a picture of {emotion}"]',
    "memory.params={mode: add, min_score: 0.0, min_distance: 0.0, fraction: 0.1}",
    "metrics=[accuracy]",
)


@pytest.fixture(scope="module")
def spec(registry: Registry, sets: tuple[str, ...]) -> Resolved:
    own = [one for one in sets if not one.startswith(("stages.compress", "stages.reinforce"))]
    return load_spec("preset:tiny", registry=registry, sets=(*own, *FEW))


@pytest.fixture(scope="module")
def few(spec: Resolved, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("few") / "run"
    run_experiment(spec, registry, out)
    return out


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_bank_of_a_few_label_run_adds_a_share_of_all_pictures(few: Path, spec: Resolved) -> None:
    assert not [message for message in spec.messages if "labels that this run hides" in message]
    ledger = _lines(few / "ledger.jsonl")
    admitted = [line for line in ledger if line["action"] == "admit"]
    # ⌊0.1·96⌋ = 9 images, one of each emotion; of the 48 labelled alone it would be four, none of each.
    assert len(admitted) == 8
    assert {line["label"] for line in admitted} == set(range(8))
    assert not [line for line in ledger if line["action"] == "replace"]
    assert all(set(line["detail"]["scores"]) == {"model", "judge"} for line in admitted)


def test_candidates_show_what_unlabelled_pictures_show(few: Path, spec: Resolved, registry: Registry) -> None:
    offered = [line for line in _lines(few / "ledger.jsonl") if line["action"] in ("admit", "refuse")]
    assert {line["detail"]["prompt"] for line in offered} == {"a {emotion} street", "a picture of {emotion}"}
    shown = [line["detail"]["settings"]["context"] for line in offered]
    assert len(set(shown)) > 4
    builder = Builder.of(spec, registry, device=torch.device("cpu"), precision="fp32")
    train = builder.build("data").split("train")
    assert set(shown) <= {sample.id for sample in train if sample.label is None}


def test_both_sorts_of_pictures_are_trained_on(few: Path) -> None:
    shares = [line["labelled_share"] for line in _lines(few / "metrics.jsonl")]
    assert 0 < sum(shares) / len(shares) < 1
    assert json.loads((few / "run.json").read_text())["smoke"] is False


def test_the_bank_of_the_run_is_asked_on_the_command_line(
    few: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bank", "show", str(few), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["adds"], len(said["images"])) == (True, 8)
    assert main(["bank", "replay", str(few)]) == 0
    assert "the bank shows what its ledger says" in capsys.readouterr().out


@pytest.fixture(scope="module")
def stage(spec: Resolved, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Unify:
    """The stage, about to begin."""
    run = tmp_path_factory.mktemp("stage")
    builder = Builder.of(spec, registry, run=run, device=torch.device("cpu"), precision="fp32")
    parts = build_parts(builder)
    system = System.assemble(builder, text_width=0)
    assert spec.spec.stages.unify is not None
    samples, lifecycle = parts.dataset.split("train"), _Quiet()
    return Unify(system, spec.spec.stages.unify, parts, samples, samples[:8], 7, lifecycle, run)  # type: ignore[arg-type]


class _Quiet:
    """Nobody listens."""

    def bank_refreshed(self, **_: Any) -> None:
        """Nothing to tell."""


def _gradients(stage: Unify, batch: Sequence[Sample]) -> tuple[dict[str, float], dict[str, float]]:
    """The largest gradient of each group after one batch, and what was logged."""
    stage.system.head.zero_grad()
    groups = stage.groups()
    for parameters in groups.values():
        for parameter in parameters.values():
            parameter.grad = None
    terms = stage(batch, torch.Generator().manual_seed(0))
    assert bool(torch.isfinite(terms.loss))
    terms.loss.backward()
    largest = {
        name: max(float(p.grad.abs().max()) for p in parameters.values() if p.grad is not None)
        for name, parameters in groups.items()
    }
    return largest, dict(terms.values)


def test_a_batch_without_a_label_teaches_denoising_alone(stage: Unify) -> None:
    largest, values = _gradients(stage, stage.unlabelled[:4])
    assert values["ce"] == 0.0
    assert values["labelled_share"] == 0.0
    assert values["denoising"] > 0
    assert largest["head"] == 0.0
    assert largest["fusion"] > 0
    assert largest["tokens"] > 0


def test_labels_count_alike_whatever_stands_beside_them(stage: Unify) -> None:
    stage.system.head.eval()
    alone, with_others = (
        _gradients(stage, batch)[1]
        for batch in (stage.labelled[:2], [*stage.labelled[:2], *stage.unlabelled[:2]])
    )
    assert with_others["ce"] == pytest.approx(alone["ce"], rel=1e-4)
    assert with_others["labelled_share"] == 0.5


def test_the_emotion_space_is_fitted_to_labelled_pictures_alone(stage: Unify) -> None:
    states, _ = stage.system.read(stage.labelled, batch_size=64)
    labels = torch.tensor([sample.label for sample in stage.labelled])
    stage.fit_space()
    means = torch.stack([states.joined().flatten(1)[labels == label].mean(0) for label in range(8)])
    torch.testing.assert_close(stage.generation.emotion_space.mean, means, rtol=1e-4, atol=1e-5)


def test_the_bank_is_shown_all_that_is_trained_on(stage: Unify) -> None:
    assert len(stage.originals) == 96
    assert len(stage.samples) == 96
    without = stage.settings.model_copy(update={"unlabelled": False})
    assert originals_of(stage.originals, without) == stage.labelled


def test_contexts_of_unlabelled_pictures_need_some(
    registry: Registry, sets: tuple[str, ...], tmp_path: Path
) -> None:
    spec = load_spec(
        "preset:tiny", registry=registry, sets=(*sets, "stages.unify.refresh.context=unlabelled")
    )
    with pytest.raises(EmosymError, match="every training picture has a label") as caught:
        run_experiment(spec, registry, tmp_path / "run")
    assert caught.value.id == "data.no-unlabelled"
