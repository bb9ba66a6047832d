"""What a run says of its reasoning tokens, by interventions on the real embedded system."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from emosym_registry import Registry

from emosym.contracts import Sample
from emosym.evaluation.probe import SystemProbe
from emosym.predictions import read_predictions
from emosym.system import System
from emosym.testing.pictures import picture
from emosym.toolkit import read_json


@pytest.fixture(scope="module")
def system(run: Path, registry: Registry) -> System:
    return System.load(run, registry=registry, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [Sample(f"s{i}", (picture(i),), label=i) for i in range(6)]


def test_a_change_of_tokens_is_read_as_the_backbone_reads_it(system: System, samples: list[Sample]) -> None:
    probe = SystemProbe(system, batch_size=4)
    read = probe.read(samples, {"own": lambda tokens, _: tokens, "dropped": lambda tokens, _: tokens[:, -1:]})
    states, probabilities = system.read(samples)
    torch.testing.assert_close(read["own"][0].context, states.context, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(read["own"][1], probabilities.numpy(), atol=1e-4)
    with system.evaluating():
        alone = system.backbone(samples, system.compressor.tokens(len(samples))[:, -1:])
    torch.testing.assert_close(read["dropped"][0].emotion, alone[:, 0].float(), rtol=1e-3, atol=1e-4)


def test_states_are_painted_with_the_noise_of_their_seeds(system: System, samples: list[Sample]) -> None:
    probe = SystemProbe(system, batch_size=2)
    states, _ = system.read(samples[:3])
    pictures = [np.asarray(one) for one in probe.paint(states, [5, 6, 5])]
    again = [np.asarray(one) for one in probe.paint(states[[0]], [5])]
    assert np.abs(pictures[0].astype(int) - again[0].astype(int)).max() <= 2
    assert (pictures[0] != pictures[1]).any()


def test_every_evaluation_says_what_the_tokens_carry(run: Path) -> None:
    summary = read_json(run / "summary.json")
    for name in ("token_effect", "token_effect_mean", "token_effect_dropped", "token_effect_emotion"):
        value = summary["understanding"][name]
        assert summary["understanding"][f"{name}_low"] <= value <= summary["understanding"][f"{name}_high"]
        kept = read_predictions(run / "evaluation" / "final-readings.parquet")
        assert kept.figures[name].mean() == pytest.approx(value)
        assert set(np.unique(kept.figures[name])) <= {-1.0, 0.0, 1.0}
    assert 0 <= summary["understanding"]["context_variation"] <= 1
    assert {"image_emo_a", "steered", "content_kept", "content_effect"} <= summary["generation"].keys()
    assert summary["figures"]["token_effect"]["headline"]
