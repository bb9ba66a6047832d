"""Compressors whose teacher reads the text, mixed batches and where the head reads, in real runs of the embedded system."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from emosym_registry import Registry

from emosym.contracts import States
from emosym.experiment.run import run_experiment
from emosym.head import EmotionHead, head_width, seen
from emosym.spec import load_spec
from emosym.system import System
from emosym.training.stopping import Terminated

from .conftest import After, ask_to_stop

FEW = (
    "stages.reinforce=null",
    "stages.unify=null",
    "memory=null",
    "judges={}",
    "metrics=[accuracy]",
    "data.params.labelled=16",
    "stages.compress.labelled_share=0.25",
    "stages.compress.by_class=true",
)
Run = Callable[..., Path]


@pytest.fixture
def compress(registry: Registry, sets: tuple[str, ...], tmp_path: Path) -> Run:
    """The folder of a run of compress alone, with few labels."""

    def run(*more: str, name: str = "run", **given: object) -> Path:
        resolved = load_spec("preset:tiny", registry=registry, sets=[*sets, *FEW, *more])
        run_experiment(resolved, registry, tmp_path / name, **given)
        return tmp_path / name

    return run


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def weights(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    return System.load(folder, device="cpu", precision="fp32", generate=False).state()


@pytest.mark.parametrize("reads", ["emotion", "context", "both"])
def test_a_teacher_of_texts_trains_and_is_saved_with_its_statistics(compress: Run, reads: str) -> None:
    folder = compress("compressor={name: privileged}", f"head.reads={reads}")
    gradients = json.loads((folder / "evaluation" / "gradients-compress.json").read_text())
    assert {"knowledge/teacher.weight", "knowledge/teacher.bias"} <= set(gradients)
    assert all(value > 0 for value in gradients.values())
    assert all(line["teacher_kl"] > 0 and line["teacher_ce"] > 0 for line in lines(folder))
    system = System.load(folder, device="cpu", precision="fp32")
    assert system.resolved.spec.head.reads == reads
    assert system.head[0].in_features == head_width(system.backbone.hidden_size, reads)
    saved = system.compressor.state_dict()
    assert float(saved["mean"].abs().max()) > 0
    assert float(saved["std"].max()) < 1


def test_the_backbone_that_reads_the_text_is_a_teacher(compress: Run) -> None:
    folder = compress("compressor={name: distill, params: {tokens: 2}}")
    gradients = json.loads((folder / "evaluation" / "gradients-compress.json").read_text())
    assert all(value > 0 for value in gradients.values())
    assert all(line["distance"] > 0 and line["teacher_ce"] > 0 for line in lines(folder))


def test_a_run_with_mixed_batches_and_a_ramp_goes_on_as_if_it_had_not_stopped(compress: Run) -> None:
    privileged = "compressor={name: privileged, params: {ramp: 5}}"
    whole = compress(privileged, name="whole")
    with pytest.raises(Terminated):
        compress(privileged, listeners=[After("compress", 3, ask_to_stop)])
    again = compress(privileged, resume=True)
    assert [line["loss"] for line in lines(again)] == [line["loss"] for line in lines(whole)]
    for part, tensors in weights(whole).items():
        for name, tensor in weights(again)[part].items():
            assert torch.equal(tensor, tensors[name]), (part, name)


def test_what_the_head_sees_is_of_the_states_of_a_batch_and_of_tries() -> None:
    for leading in ((5,), (5, 2)):
        states = States(torch.randn(*leading, 3, 4), torch.randn(*leading, 4))
        both = seen(states, "both")
        assert torch.equal(seen(states, "emotion"), states.emotion)
        assert torch.equal(seen(states, "context"), states.context.mean(-2))
        assert torch.equal(both[..., :4], states.emotion)
        assert torch.equal(both[..., 4:], states.context.mean(-2))
        assert EmotionHead(head_width(4, "both"), 8, 0)(both).shape == (*leading, 8)
