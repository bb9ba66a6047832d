"""The stage reinforce over its whole life: it adapts, is watched, ends early, goes on after a stop, learns without labels."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from emosym_registry import Registry

from emosym.contracts import Sample
from emosym.experiment.run import run_experiment
from emosym.experiment.summary import evaluate_run
from emosym.head import EmotionHead, fitting_temperature
from emosym.predictions import read_predictions
from emosym.spec import Resolved, load_spec
from emosym.storage import read_state
from emosym.toolkit import read_json, read_json_lines
from emosym.training.checkpoint import steps_of
from emosym.training.stopping import Terminated

from .conftest import After, ask_to_stop

READS = (
    "fusion=null", "emotion_space=null", "diffusion=null", "memory=null", "stages.unify=null",
    "judges.bank=null", "judges.evaluate=null", "metrics=[{name: accuracy}, {name: reward}]",
    "stages.compress.steps=4",
)  # fmt: skip
WATCHED = (
    "stages.reinforce.steps=5", "reinforcer.params.target_kl=0.001", "stages.reinforce.calibrate=true",
    "stages.reinforce.early_stop={every: 2, images: 16, entropy: 0, reward: null}",
    "stages.reinforce.examples={every: 2, images: 2}",
)  # fmt: skip


@pytest.fixture(scope="module")
def spec(registry: Registry, sets: tuple[str, ...]) -> Any:
    def make(*more: str) -> Resolved:
        return load_spec("preset:tiny", registry=registry, sets=[*sets, *READS, *more])

    return make


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests of this file share their stage compress."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def watched(spec: Any, registry: Registry, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose reinforce adapts, is watched to its end, and is calibrated."""
    folder = tmp_path_factory.mktemp("watched") / "run"
    run_experiment(spec(*WATCHED), registry, folder, store=store)
    return folder


def lines(run: Path) -> list[Mapping[str, Any]]:
    return [line for line in read_json_lines(run / "metrics.jsonl") if line["stage"] == "reinforce"]


def test_held_out_reward_and_entropy_are_logged_at_every_look(watched: Path) -> None:
    looks = {line["step"]: line for line in lines(watched) if "held_out/reward" in line}
    assert list(looks) == [2, 4, 5]
    assert all(0 < line["held_out/reward"] < 1 and line["held_out/entropy"] > 0 for line in looks.values())


def test_beta_adapts_from_step_to_step(watched: Path) -> None:
    betas = [line["beta"] for line in lines(watched)]
    factors = [after / before for before, after in itertools.pairwise(betas)]
    assert betas[0] == pytest.approx(0.1)
    assert all(0.98 - 1e-6 <= factor <= 1.02 + 1e-6 for factor in factors)
    assert any(abs(factor - 1) > 1e-3 for factor in factors)


def test_some_tries_are_written_down(watched: Path) -> None:
    written = read_json_lines(watched / "rollouts.jsonl")
    assert [line["step"] for line in written] == [1, 1, 2, 2, 4, 4]
    tries = written[0]["tries"]
    assert len(tries) == 8
    for one in tries:
        assert set(one["rewards"]) == {"label", "wheel", "brier"}
        weighted = (
            0.6 * one["rewards"]["label"] + 0.2 * one["rewards"]["wheel"] + 0.2 * one["rewards"]["brier"]
        )
        assert one["total"] == pytest.approx(weighted, abs=1e-6)
        assert one["rewards"]["label"] == (one["action"] == written[0]["label"])
    assert sum(one["advantage"] for one in tries) == pytest.approx(0, abs=1e-5)
    assert "Some tries of step 4" in (watched / "report.html").read_text()


def test_the_held_out_reward_is_a_figure_and_is_measured_again(watched: Path, registry: Registry) -> None:
    measured = read_json(watched / "summary.json")["understanding"]
    seen = read_predictions(watched / "evaluation" / "final-readings.parquet")
    assert seen.probabilities is not None
    own = seen.probabilities[range(len(seen.labels)), seen.labels]
    assert measured["reward_label"] == pytest.approx(own.mean())
    assert seen.figures["reward"].mean() == pytest.approx(measured["reward"])
    before = measured["stages"]["compress"]
    assert {"reward", "reward_label", "reward_wheel", "reward_brier", "chosen_reward"} <= set(before)
    again = evaluate_run(watched, registry=registry, device="cpu", precision="fp32")["understanding"]
    assert again["reward"] == pytest.approx(measured["reward"])


def test_a_stopped_run_goes_on_to_the_same_end(
    watched: Path, spec: Any, registry: Registry, store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Terminated):
        run_experiment(spec(*WATCHED), registry, folder, listeners=[After("reinforce", 3, ask_to_stop)])
    (saved,) = steps_of(folder / "checkpoints", "reinforce")
    assert (saved / "kept.safetensors").is_file()
    run_experiment(spec(*WATCHED), registry, folder, resume=True)
    one, other = read_state(watched / "system"), read_state(folder / "system")
    assert all(
        torch.equal(other[part][name], value) for part, own in one.items() for name, value in own.items()
    )
    assert read_json_lines(folder / "rollouts.jsonl") == read_json_lines(watched / "rollouts.jsonl")
    timeless = [[{**line, "time": 0} for line in lines(run)] for run in (watched, folder)]
    assert timeless[0] == timeless[1]


def test_reinforcing_ends_where_readings_collapse_with_the_best_weights(
    spec: Any, registry: Registry, store: Path, tmp_path: Path
) -> None:
    broken = spec(
        "stages.reinforce.steps=40", "stages.reinforce.lr={adapters: 0.05, tokens: 0.05, head: 0.05}",
        "stages.reinforce.early_stop={every: 2, images: 24, entropy: 0.2, reward: 0.02}",
        "stages.reinforce.calibrate=false",
    )  # fmt: skip
    summary = run_experiment(broken, registry, tmp_path / "run", store=store)
    facts = read_json(tmp_path / "run" / "checkpoints" / "progress.json")["reinforce"]
    assert facts["steps"] < 40
    assert facts["stopped"] == summary["stopped"]["reinforce"]
    assert "the weights are those of step" in facts["stopped"]
    assert f"Ended before its last step: {facts['stopped']}" in (tmp_path / "run" / "report.html").read_text()
    looks = [line["held_out/reward"] for line in lines(tmp_path / "run") if "held_out/reward" in line]
    if facts["stopped"].endswith("step 0"):
        one, other = (
            read_state(tmp_path / "run" / "checkpoints" / name) for name in ("compress", "reinforce")
        )
        assert all(torch.equal(one[part][key], other[part][key]) for part in one for key in one[part])
    else:
        assert facts["stopped"].endswith(f"step {2 * (1 + looks.index(max(looks)))}")


def test_unlabelled_images_are_reinforced_by_what_their_text_argues(
    spec: Any, registry: Registry, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = spec(
        "rewards=[{name: label, weight: 0.5}, {name: knowledge, weight: 0.5}]", "stages.reinforce.steps=2",
        "stages.reinforce.examples={every: 1, images: 8}", "stages.reinforce.ce_weight=0",
    )  # fmt: skip
    dataset = resolved.offers["data"].load()
    split = dataset.split

    def few_labels(self: Any, name: str) -> Sequence[Sample]:
        whole = split(self, name)
        if name != "train":
            return whole
        return [
            one if number < 32 else dataclasses.replace(one, label=None) for number, one in enumerate(whole)
        ]

    monkeypatch.setattr(dataset, "split", few_labels)
    summary = run_experiment(resolved, registry, tmp_path / "run")
    tries = [
        (line["label"], one["rewards"], one["total"])
        for line in read_json_lines(tmp_path / "run" / "rollouts.jsonl")
        for one in line["tries"]
    ]
    unlabelled = [(rewards, total) for label, rewards, total in tries if label is None]
    assert unlabelled
    assert len(unlabelled) < len(tries)
    for rewards, total in unlabelled:
        assert rewards["label"] is None
        assert total == pytest.approx(rewards["knowledge"])
    assert 0 < summary["understanding"]["reward_knowledge"] < 1


def test_the_temperature_is_the_best_one_and_changes_no_reading() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(8000, 5, generator=draw)
    labels = torch.multinomial((logits / 2.5).softmax(-1), 1, generator=draw)[:, 0]
    fitted = fitting_temperature(logits.log_softmax(-1), labels)

    def loss(temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits.double() / temperature, labels))

    assert fitted == pytest.approx(2.5, rel=0.1)
    assert loss(fitted) <= min(loss(0.99 * fitted), loss(1.01 * fitted))
    head, states = EmotionHead(6, 5, seed=0), torch.randn(7, 6, generator=draw)
    before = head(states)
    head.cool(fitted)
    torch.testing.assert_close(head(states), before / fitted)
