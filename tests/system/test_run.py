"""What a run leaves behind, and that it can be stopped and continued."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from emosym_registry import EmosymError, Registry

from emosym.contracts import MIKELS_8
from emosym.experiment.run import run_experiment
from emosym.experiment.summary import evaluate_run
from emosym.predictions import read_predictions
from emosym.spec import Resolved, load_spec
from emosym.storage import read_state

from .conftest import After, Recorder


def test_a_run_folder_holds_what_the_docs_say(run: Path) -> None:
    for name in (
        "spec.yaml", "provenance.json", "metrics.jsonl", "summary.json", "report.html", "ledger.jsonl", "bank.db",
        "system/system.json", "checkpoints/compress/system.json", "evaluation/unify.json", "evaluation/final.json",
        "evaluation/unify-readings.parquet", "evaluation/final-readings.parquet", "evaluation/final-generated.parquet",
        "sheets/generated.png", "sheets/real.png", "sheets/bank.json", "images/awe-000.png",
        "evaluation/final-errors.json", "evaluation/final-space.json",
    ):  # fmt: skip
        assert (run / name).exists(), name


def test_the_summary_has_the_documented_figures(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert {"accuracy", "macro_f1", "bayes"} <= set(summary["understanding"])
    assert set(summary["understanding"]["stages"]) == {"compress", "reinforce", "unify"}
    assert {"emo_a", "emo_a_real", "diversity", "diversity_real"} <= set(summary["generation"])
    assert {"compress", "reinforce", "unify", "evaluate", "total"} <= set(summary["seconds"])
    assert summary["peak_memory_bytes"] > 10**8
    assert summary["figures"]["reward_label"]["about"] == "1 for the annotated emotion, else 0"


def test_the_painted_and_the_real_pictures_of_the_evaluation_are_counted(run: Path, small: Resolved) -> None:
    counted = json.loads((run / "evaluation" / "final.json").read_text())["pictures"]
    painted = read_predictions(run / "evaluation" / "final-generated.parquet")
    assert counted["painted"] == len(painted.ids)
    assert 8 < counted["real"] <= 8 * small.spec.evaluation.per_class


def test_measuring_the_saved_system_again_gives_the_figures_of_the_run(
    run: Path, registry: Registry, tmp_path: Path
) -> None:
    again = evaluate_run(run, registry=registry, device="cpu", precision="fp32", out=tmp_path)
    final = json.loads((run / "evaluation" / "final.json").read_text())
    assert again["understanding"]["confusion"] == final["understanding"]["confusion"]
    for group in ("understanding", "generation"):
        figures = {key: value for key, value in final[group].items() if isinstance(value, float)}
        assert figures
        assert {key: again[group][key] for key in figures} == pytest.approx(figures, abs=1e-4)
    for name in ("final-readings", "final-generated"):
        one, other = (read_predictions(out / "evaluation" / f"{name}.parquet") for out in (run, tmp_path))
        assert (one.ids, one.labels.tolist()) == (other.ids, other.labels.tolist())
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)


def test_the_worst_errors_are_the_surest_wrong_answers_with_picture_and_reason(run: Path) -> None:
    seen = read_predictions(run / "evaluation" / "final-readings.parquet")
    assert seen.probabilities is not None
    wrong = seen.probabilities.argmax(1) != seen.labels
    surest = np.sort(seen.probabilities.max(1)[wrong])[::-1]
    kept = json.loads((run / "evaluation" / "final-errors.json").read_text())
    assert kept
    assert [one["probability"] for one in kept] == pytest.approx(surest[: len(kept)].tolist())
    for one in kept:
        assert one["picture"].startswith("data:image/webp;base64,")
        assert seen.names[seen.labels[seen.ids.index(one["id"])]] == one["label"] != one["read"]
        assert all(one["reasons"])


def test_the_emotion_space_has_points_of_every_emotion(run: Path) -> None:
    space = json.loads((run / "evaluation" / "final-space.json").read_text())
    assert list(space["read"]) == list(space["drawn"]) == list(MIKELS_8)
    assert all(len(points) for points in space["drawn"].values())
    assert 0 < sum(space["spread"]) <= 1


def test_the_pictures_of_the_bank_are_those_that_it_admitted(run: Path) -> None:
    ledger = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
    kept = json.loads((run / "sheets" / "bank.json").read_text())
    assert set(kept) <= {line["image"] for line in ledger if line["action"] == "admit"}


def test_the_predictions_are_those_that_the_figures_are_of(run: Path) -> None:
    lost = {f"token_effect{end}" for end in ("", "_mean", "_dropped", "_emotion")}
    gained = {"reward", "chosen_reward", "reward_label", "reward_wheel", "reward_brier"}
    figures = {"accuracy", "positive_accuracy", *lost, *gained}
    for name in ("compress", "reinforce", "unify", "final"):
        said = json.loads((run / "evaluation" / f"{name}.json").read_text())
        said = said.get("understanding", said)
        seen = read_predictions(run / "evaluation" / f"{name}-readings.parquet")
        assert (seen.split, len(seen.ids), list(seen.names)) == ("test", said["images"], said["names"])
        assert set(seen.figures) == figures
        for figure, values in seen.figures.items():
            assert values.mean() == pytest.approx(said[figure], abs=1e-12)
        confusion = np.zeros((8, 8), dtype=int)
        np.add.at(confusion, (seen.labels, seen.probabilities.argmax(1)), 1)
        assert confusion.tolist() == said["confusion"]
    made = read_predictions(run / "evaluation" / "final-generated.parquet")
    generation = json.loads((run / "evaluation" / "final.json").read_text())["generation"]
    assert set(made.ids) == {path.name for path in (run / "images").iterdir()}
    assert all(id.startswith(made.names[label]) for id, label in zip(made.ids, made.labels, strict=True))
    assert made.figures["emo_a"].mean() == pytest.approx(generation["emo_a"], abs=1e-12)
    assert (made.figures["emo_a"] == (made.probabilities.argmax(1) == made.labels)).all()
    assert len(set(made.seeds.tolist())) == len(made.ids) == len(made.prompts)


@pytest.mark.parametrize("stage", ["compress", "reinforce", "unify"])
def test_every_trainable_tensor_receives_a_gradient(run: Path, stage: str) -> None:
    gradients = json.loads((run / "evaluation" / f"gradients-{stage}.json").read_text())
    groups = {name.split("/")[0] for name in gradients}
    expected = {
        "compress": {"adapters", "tokens", "knowledge", "head"},
        "reinforce": {"adapters", "tokens", "head"},
        "unify": {"adapters", "tokens", "head", "fusion"},
    }
    assert groups == expected[stage]
    assert all(value > 0 for value in gradients.values())


def test_the_bank_was_refreshed_and_says_why(run: Path) -> None:
    entries = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
    assert entries
    assert all(entry["reason"] for entry in entries)


def test_an_existing_run_is_refused_without_resume(run: Path, small: Resolved, registry: Registry) -> None:
    with pytest.raises(EmosymError, match="already holds a run"):
        run_experiment(small, registry, run)


def test_resume_with_another_spec_is_refused(run: Path, registry: Registry, sets: tuple[str, ...]) -> None:
    other = load_spec("preset:tiny", registry=registry, sets=[*sets, "seed=99"])
    with pytest.raises(EmosymError, match="differs from the spec"):
        run_experiment(other, registry, run, resume=True)


def test_a_stage_that_is_done_is_not_trained_again_and_the_system_stays_the_last(
    run: Path, small: Resolved, registry: Registry, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    summary = run_experiment(small, registry, copy, resume=True, only=["compress"])
    assert summary["understanding"]["stages"].keys() == {"compress", "reinforce", "unify"}
    for file in sorted((run / "system").glob("*.safetensors")):
        assert (copy / "system" / file.name).read_bytes() == file.read_bytes()


def test_a_run_that_cannot_be_built_leaves_nothing_in_the_way_of_the_next(
    registry: Registry, sets: tuple[str, ...], tmp_path: Path
) -> None:
    missing = load_spec(
        "preset:tiny", registry=registry, sets=[*sets, "backbone.params.model=/no/such/folder"]
    )
    with pytest.raises(EmosymError, match="is not there"):
        run_experiment(missing, registry, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def rows(run: Path) -> list[dict[str, object]]:
    """The lines of a run's metrics without their times."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time"} for line in lines]


def untimed(file: Path) -> str:
    """A file's text without what depends on the clock."""
    return re.sub(r'"seconds": [\d.e-]+', "", file.read_text())


def interrupt() -> None:
    """End the process's work, as a power cut would."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(("stage", "step"), [("compress", 4), ("reinforce", 2), ("unify", 5)])
def test_an_interrupted_run_continues_to_the_same_weights(
    run: Path,
    registry: Registry,
    sets: tuple[str, ...],
    tmp_path: Path,
    listener: Recorder,
    stage: str,
    step: int,
) -> None:
    out = tmp_path / "stopped"
    often = load_spec("preset:tiny", registry=registry, sets=[*sets, "compute.checkpoint_minutes=1e-9"])
    stopper = After(stage, step, interrupt)
    registry.manager.register(stopper, name="stopper")
    try:
        with pytest.raises(KeyboardInterrupt):
            run_experiment(often, registry, out, listeners=[listener])
    finally:
        registry.manager.unregister(name="stopper")
    assert isinstance(listener.calls[-1][1]["reason"], KeyboardInterrupt)
    run_experiment(often, registry, out, resume=True, listeners=[listener])
    started = [values["resumed"] for hook, values in listener.calls if hook == "emosym_run_started"]
    assert started == [False, True]
    expected, got = read_state(run / "system"), read_state(out / "system")
    assert {part: set(tensors) for part, tensors in expected.items()} == {p: set(t) for p, t in got.items()}
    other = [
        f"{part}/{name}"
        for part, tensors in expected.items()
        for name, value in tensors.items()
        if not torch.equal(got[part][name], value)
    ]
    assert not other
    assert rows(out) == rows(run)
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == [
        "compress", "progress.json", "reinforce", "unify",
    ]  # fmt: skip
    for file in ("evaluation/final.json", "ledger.jsonl", "evaluation/gradients-unify.json"):
        assert untimed(out / file) == untimed(run / file), file
