"""Figures against closed forms, slow references and hand-made cases."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from emosym_metrics.config import ImageClassifierConfig
from emosym_metrics.judges.image_classifier import ImageClassifierJudge
from emosym_metrics.metrics.context_effect import chosen
from emosym_metrics.metrics.diversity import within_class
from emosym_metrics.metrics.f1 import macro_f1
from emosym_registry import EmosymError, Registry
from PIL import Image
from pydantic import ValidationError
from scipy.spatial.distance import pdist
from sklearn.metrics import f1_score

from emosym.contracts import Context, Evidence, Generated, LabelSet, Metric, RewardTable, Sample

NAMES = ("awe", "contentment", "fear", "sadness")
LABELS = LabelSet(NAMES)


def _metric(registry: Registry, name: str, labels: LabelSet = LABELS, **params: Any) -> Metric:
    registered = registry.find("metric", name)
    context = Context(labels=labels, kind="metric", component=name)
    return registered.load()(registered.load_config()(**params), context)


def _evidence(probabilities: Any, labels: Sequence[int], votes: Sequence[Any] = (), **more: Any) -> Evidence:
    """Readings of samples with these labels, some with votes."""
    targets = [*votes, *[None] * (len(labels) - len(votes))]
    samples = [
        Sample(f"{i}", (), int(label), target=target)
        for i, (label, target) in enumerate(zip(labels, targets, strict=True))
    ]
    return Evidence(NAMES, samples, np.asarray(probabilities), **more)


def _pictures(
    generated: Sequence[Image.Image], labels: Sequence[int], real: Sequence[Any] = (), **more: Any
) -> Evidence:
    """Generated pictures, and real ones as pairs of picture and label."""
    made = [Generated(image, label, 0, "") for image, label in zip(generated, labels, strict=True)]
    beside = [Sample(f"{i}", (image,), label) for i, (image, label) in enumerate(real)]
    return Evidence(**{"names": NAMES, "real": beside, "generated": made, **more})


@pytest.fixture(scope="module")
def readings() -> Evidence:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (200,), generator=generator)
    logits = torch.randn(200, 4, generator=generator)
    logits[torch.arange(200), labels] += 1.5
    return _evidence(logits.softmax(-1).double(), labels.tolist())


def test_accuracy_has_wilsons_interval(registry: Registry) -> None:
    probabilities = np.eye(4)[[0, 1, 2, 3, 0, 1, 2, 0]]
    figures = _metric(registry, "accuracy").compute(_evidence(probabilities, [0, 1, 2, 3, 0, 1, 2, 3]))
    p, n, z = 7 / 8, 8, 1.959963984540054
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert set(figures) == {"accuracy", "accuracy_low", "accuracy_high"}
    assert figures["accuracy"] == p
    assert figures["accuracy_low"] == pytest.approx(middle - half)
    assert figures["accuracy_high"] == pytest.approx(middle + half)


def test_nothing_to_measure_and_nan_are_refused(registry: Registry) -> None:
    with pytest.raises(EmosymError, match="no labelled image"):
        _metric(registry, "accuracy").compute(_evidence(np.zeros((0, 4)), []))
    with pytest.raises(EmosymError, match="NaN"):
        _metric(registry, "accuracy").compute(_evidence(np.full((2, 4), np.nan), [0, 1]))


def test_macro_f1_by_hand_and_its_interval(registry: Registry, readings: Evidence) -> None:
    by_hand = _metric(registry, "f1").compute(_evidence(np.eye(4)[[0, 0, 1, 1]], [0, 1, 1, 1]))
    assert by_hand["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    figures = _metric(registry, "f1").compute(readings)
    assert figures["macro_f1_low"] < figures["macro_f1"] < figures["macro_f1_high"]
    assert figures == _metric(registry, "f1").compute(readings)
    labels, read = readings.labels, readings.probabilities.argmax(1)
    rng = np.random.default_rng(1)
    slow = [f1_score(labels[i], read[i], average="macro") for i in rng.integers(0, 200, (150, 200))]
    assert figures["macro_f1_low"] == pytest.approx(np.percentile(slow, 2.5), abs=0.03)
    assert figures["macro_f1_high"] == pytest.approx(np.percentile(slow, 97.5), abs=0.03)


def test_macro_f1_of_counts_is_sklearns() -> None:
    labels, read = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 0, 2])
    counts = np.zeros((1, 4, 4))
    np.add.at(counts[0], (labels, read), 1)
    assert macro_f1(counts)[0] == pytest.approx(f1_score(labels, read, average="macro"))


def test_ece_is_the_weighted_gap_of_each_bin(registry: Registry, readings: Evidence) -> None:
    figures = _metric(registry, "ece", bins=10, resamples=100).compute(readings)
    confidence, read = readings.probabilities.max(1), readings.probabilities.argmax(1)
    slow = 0.0
    for low in range(10):
        inside = (confidence > low / 10) & (confidence <= (low + 1) / 10)
        if inside.any():
            accuracy = (read == readings.labels)[inside].mean()
            slow += float(inside.mean() * abs(accuracy - confidence[inside].mean()))
    assert figures["ece"] == pytest.approx(slow, abs=1e-6)
    assert figures["ece_low"] <= figures["ece_high"]
    sure = _metric(registry, "ece", resamples=100).compute(_evidence(np.eye(4), range(4)))
    assert sure["ece"] == 0.0


def test_confusion_counts_labels_by_readings(registry: Registry) -> None:
    figures = _metric(registry, "confusion").compute(_evidence(np.eye(4)[[2, 2, 0]], [0, 0, 0]))
    assert len(figures) == 16
    assert (figures["confusion/awe/fear"], figures["confusion/awe/awe"], figures["confusion/fear/awe"]) == (
        2.0,
        1.0,
        0.0,
    )


def test_positive_accuracy_adds_up_the_positive_emotions(registry: Registry) -> None:
    probabilities = [[0.3, 0.3, 0.4, 0.0], [0.0, 0.0, 0.4, 0.6]]
    figures = _metric(registry, "positive-accuracy").compute(_evidence(probabilities, [1, 2]))
    assert figures["positive_accuracy"] == 1.0
    assert set(figures) == {"positive_accuracy", "positive_accuracy_low", "positive_accuracy_high"}
    with pytest.raises(EmosymError, match="none or all"):
        _metric(registry, "positive-accuracy", LabelSet(("fear", "anger")))


@pytest.fixture(scope="module")
def judge(classifier_folder: Path) -> ImageClassifierJudge:
    return ImageClassifierJudge(
        ImageClassifierConfig(model=str(classifier_folder)), Context(labels=LABELS, kind="judge")
    )


def test_emo_a_is_the_share_the_judge_reads_as_meant(
    registry: Registry, judge: ImageClassifierJudge, images: list[Image.Image]
) -> None:
    read = judge.probabilities(images).argmax(1).tolist()
    wrong = [(label + 1) % 4 for label in read[:2]] + read[2:]
    evidence = _pictures(images, wrong, zip(images, read, strict=True), judge=judge)
    figures = _metric(registry, "emo-a", batch_size=4).compute(evidence)
    assert set(figures) == {f"emo_a{real}{end}" for real in ("", "_real") for end in ("", "_low", "_high")}
    assert figures["emo_a"] == pytest.approx(4 / 6)
    assert figures["emo_a_real"] == 1.0


@pytest.mark.parametrize("name", ["emo-a", "diversity"])
def test_what_needs_a_judge_refuses_without(
    registry: Registry, name: str, images: list[Image.Image], judge: ImageClassifierJudge
) -> None:
    metric = _metric(registry, name)
    assert metric.needs == ("judge", "diffusion")
    with pytest.raises(EmosymError, match=f"{name} needs a judge"):
        metric.compute(_pictures(images, [0] * 6))
    with pytest.raises(EmosymError, match="no generated image"):
        metric.compute(_pictures([], [], judge=judge))


def test_diversity_compares_pairs_within_a_class(
    registry: Registry, judge: ImageClassifierJudge, images: list[Image.Image]
) -> None:
    labels = [0, 0, 0, 1, 1, 2]
    evidence = _pictures(images, labels, [(image, 0) for image in images[:2] * 2], judge=judge)
    figures = _metric(registry, "diversity").compute(evidence)
    features = judge.features(images).numpy()
    slow = np.mean([pdist(features[:3], "cosine").mean(), pdist(features[3:5], "cosine").mean()])
    assert figures["diversity"] == pytest.approx(slow, rel=1e-3)
    assert figures["diversity_ratio"] == pytest.approx(figures["diversity"] / figures["diversity_real"])


@pytest.mark.parametrize("name", ["diversity", "sem-d"])
@pytest.mark.parametrize("side", ["generated", "real"])
def test_one_picture_of_each_emotion_is_too_few_for_pairs_and_the_side_is_named(
    registry: Registry, clip_folder: Path, images: list[Image.Image], name: str, side: str
) -> None:
    metric = _metric(registry, name, **{"clip" if name == "diversity" else "model": str(clip_folder)})
    labels = [0, 1] if side == "generated" else [0, 0]
    evidence = _pictures(images[:2], labels, [(images[0], 0), (images[1], 1)])
    with pytest.raises(EmosymError, match=f"no emotion has two {side} ones here") as caught:
        metric.compute(evidence)
    assert caught.value.id == "metric.too-few"


def test_states_are_swapped_where_two_emotions_have_two_pictures(images: list[Image.Image]) -> None:
    def real(*labels: int) -> list[Sample]:
        return [Sample(f"{i}", (images[0],), label) for i, label in enumerate(labels)]

    assert [sample.label for sample in chosen(real(0, 1, 0, 1, 2), 2)] == [0, 0, 1, 1]
    for few in (real(0, 1, 2), real(0, 0, 1, 2)):
        with pytest.raises(EmosymError, match="fewer than two emotions have two here") as caught:
            chosen(few, 2)
        assert caught.value.id == "metric.too-few"
        assert "more held-out ones" in caught.value.hint


def _unit(folder: Path, images: list[Image.Image], texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Unit-norm features of images and texts, straight from open_clip."""
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
    with torch.no_grad():
        seen = model.eval().encode_image(torch.stack([transform(image) for image in images]), normalize=True)
        return seen.numpy(), model.encode_text(tokens, normalize=True).numpy()


def test_diversity_can_see_with_a_clip_of_its_own_and_no_judge(
    registry: Registry, clip_folder: Path, images: list[Image.Image]
) -> None:
    metric = _metric(registry, "diversity", clip=str(clip_folder), batch_size=4)
    assert metric.config.needs(metric.needs) == ("diffusion",)
    assert _metric(registry, "diversity").config.needs(metric.needs) == ("judge", "diffusion")
    labels = [0, 0, 0, 1, 1, 2]
    figures = metric.compute(_pictures(images, labels))
    features, _ = _unit(clip_folder, images, ["a"])
    slow = np.mean([pdist(features[:3], "cosine").mean(), pdist(features[3:5], "cosine").mean()])
    assert figures == {"diversity": pytest.approx(slow, rel=1e-3)}
    with pytest.raises(EmosymError, match="no generated image"):
        metric.compute(_pictures([], []))
    with pytest.raises(ValidationError, match="pretrained belongs to clip"):
        _metric(registry, "diversity", pretrained="openai")


# The small CLIP knows few words; these it tells apart.
SEEN = ("ghost", "forest", "beach", "dark")


def test_clip_score_is_the_mean_cosine_of_images_and_the_text_of_their_emotion(
    registry: Registry, clip_folder: Path, images: list[Image.Image]
) -> None:
    metric = _metric(registry, "clip-score", model=str(clip_folder), text="a {emotion} here", batch_size=4)
    assert (metric.needs, metric.group) == (("diffusion",), "generation")
    labels = [0, 3, 2, 1, 1, 2]
    evidence = _pictures(images, labels, names=SEEN, seed=1)
    figures = metric.compute(evidence)
    pictures, texts = _unit(clip_folder, images, [f"a {SEEN[label]} here" for label in labels])
    cosines = (pictures * texts).sum(1)
    assert set(figures) == {
        f"clip_{name}{end}" for name in ("score", "margin") for end in ("", "_low", "_high")
    }
    assert figures["clip_score"] == pytest.approx(cosines.mean(), abs=1e-5)
    assert cosines.min() < figures["clip_score_low"] < figures["clip_score"]
    assert figures["clip_score"] < figures["clip_score_high"] < cosines.max()
    # The bootstrap's spread is that of a mean: the standard error.
    spread = (figures["clip_score_high"] - figures["clip_score_low"]) / (2 * 1.96)
    assert spread == pytest.approx(cosines.std() / len(cosines) ** 0.5, rel=0.2)
    assert figures == metric.compute(evidence)


def test_clip_score_of_real_images_is_told_beside(
    registry: Registry, clip_folder: Path, images: list[Image.Image]
) -> None:
    metric = _metric(registry, "clip-score", model=str(clip_folder))
    labels = [0, 1, 2, 3, 0, 1]
    real = zip(images[::-1], labels[::-1], strict=True)
    figures = metric.compute(_pictures(images, labels, real, names=SEEN))
    assert figures["clip_score_real"] == pytest.approx(figures["clip_score"])
    assert set(figures) >= {"clip_score_real_low", "clip_score_real_high"}
    with pytest.raises(EmosymError, match="no generated image"):
        metric.compute(_pictures([], []))
    with pytest.raises(ValidationError, match=r"expected \{emotion\} once"):
        _metric(registry, "clip-score", model=str(clip_folder), text="a picture")


def test_one_picture_again_and_again_has_no_diversity() -> None:
    assert within_class(np.ones((4, 3)), np.array([0, 0, 1, 1])) == pytest.approx(0.0)
    assert within_class(np.array([[1.0, 0.0], [-2.0, 0.0]]), np.array([0, 0])) == pytest.approx(2.0)


def test_the_distance_to_votes_is_the_mean_divergence_in_bits(registry: Registry) -> None:
    metric = _metric(registry, "vote-distance", resamples=100)
    votes = [(0.5, 0.5, 0.0, 0.0), (0.25, 0.25, 0.25, 0.25)]
    read = np.array([[0.5, 0.5, 0.0, 0.0], [0.7, 0.1, 0.1, 0.1], [0.0, 1.0, 0.0, 0.0]])
    figures = metric.compute(_evidence(read, [0, 0, 2], votes))
    middle = (np.array(votes[1]) + read[1]) / 2
    halves = [float((p * np.log2(p / middle)).sum()) for p in (np.array(votes[1]), read[1])]
    # The votes exactly; votes of all four against 70 %; the label where there are no votes, here missed: 1 bit.
    assert figures["vote_distance"] == pytest.approx((0 + sum(halves) / 2 + 1) / 3)
    assert 0 <= figures["vote_distance_low"] < figures["vote_distance"] < figures["vote_distance_high"] <= 1


@pytest.mark.parametrize(
    ("name", "figure", "beside"),
    [
        ("accuracy", "accuracy", "bayes"),
        ("f1", "macro_f1", ""),
        ("emo-a", "emo_a", "emo_a_real"),
        ("diversity", "diversity", "diversity_real"),
    ],
)
def test_headline_figures_say_what_stands_beside_them(
    registry: Registry, name: str, figure: str, beside: str
) -> None:
    shown = registry.find("metric", name).load().figures[figure]
    assert (shown.headline, shown.beside) == (True, beside)


def test_the_judge_looks_once_at_each_picture_for_the_figure_and_for_its_parts(
    registry: Registry,
    judge: ImageClassifierJudge,
    images: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []
    look = judge.probabilities
    monkeypatch.setattr(
        judge, "probabilities", lambda pictures: looked.append(len(pictures)) or look(pictures)
    )
    evidence = _pictures(images, [0, 1, 2, 3, 0, 1], [(image, 0) for image in images[:3]], judge=judge)
    metric = _metric(registry, "emo-a", batch_size=4)
    figures, each = metric.compute(evidence), metric.per_image(evidence)
    table = evidence.judged("generated")
    assert looked == [4, 2, 3]
    assert each["emo_a"].mean() == figures["emo_a"]
    assert (each["emo_a"] == (table.argmax(1) == [0, 1, 2, 3, 0, 1])).all()


def test_clip_sees_each_picture_once_for_the_figure_and_for_its_parts(
    registry: Registry, clip_folder: Path, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    metric: Any = _metric(registry, "clip-score", model=str(clip_folder))
    looked: list[int] = []
    look = metric._tower.features
    monkeypatch.setattr(
        metric._tower, "features", lambda pictures: looked.append(len(pictures)) or look(pictures)
    )
    evidence = _pictures(images, [0, 3, 2, 1, 1, 2], names=SEEN)
    figures, each = metric.compute(evidence), metric.per_image(evidence)
    assert looked == [6]
    assert each["clip_score"].mean() == figures["clip_score"]


def test_reading_time_is_the_median_of_whole_readings_after_one_that_does_not_count(
    registry: Registry, readings: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that a reader moves by 3 ms a batch and 1 ms an image, 500 ms more at its first and its last reading."""
    now, calls = [0.0], []

    def read(samples: Sequence[Sample], batch_size: int | None) -> Any:
        size = batch_size or 10
        calls.append(([sample.id for sample in samples], batch_size))
        now[0] += 0.003 * math.ceil(len(samples) / size) + 0.001 * len(samples)
        now[0] += 0.5 * (len(calls) in (1, 4))

    monkeypatch.setattr("emosym_metrics.metrics.reading_time.time.perf_counter", lambda: now[0])
    metric = _metric(registry, "reading-time", images=20, single=4, repeats=3)
    figures = metric.compute(replace(readings, read=read))
    assert figures["reading_ms"] == pytest.approx(1.3)
    assert figures["reading_ms_single"] == pytest.approx(4.0)
    assert figures["reading_ms_single_log10"] == pytest.approx(math.log10(4.0))
    assert [(len(ids), size) for ids, size in calls] == [(4, None), *[(20, None)] * 3, *[(4, 1)] * 4]
    assert len({tuple(ids) for ids, _ in calls}) == 2
    assert set(calls[0][0]) < set(calls[1][0])
    assert not metric.repeatable


def test_reading_time_of_another_program_s_readings_is_refused(
    registry: Registry, readings: Evidence
) -> None:
    with pytest.raises(EmosymError, match="no system here") as caught:
        _metric(registry, "reading-time").compute(readings)
    assert caught.value.id == "metric.no-system"


def _rewarded(weights: dict[str, float]) -> Evidence:
    """Three readings and two rewards, of which ``text`` does not apply to the last image."""
    label = np.eye(4)[[0, 1, 2]]
    text = np.array([[0.5, 0.5, 0, 0], [0, 0, 1, 0], [np.nan] * 4])
    probabilities = [[0.7, 0.1, 0.1, 0.1], [0.2, 0.3, 0.5, 0.0], [0.0, 0.0, 1.0, 0.0]]
    return _evidence(probabilities, [0, 1, 2], rewards=RewardTable({"label": label, "text": text}, weights))


def test_the_held_out_reward_is_the_expectation_under_the_readings(registry: Registry) -> None:
    evidence = _rewarded({"label": 0.6, "text": 0.2})
    metric = _metric(registry, "reward")
    figures, each = metric.compute(evidence), metric.per_image(evidence)
    # 0.6·label + 0.2·text where both apply, 0.8·label where label stands for both.
    wanted = [0.6 * 0.7 + 0.2 * 0.4, 0.6 * 0.3 + 0.2 * 0.5, 0.8 * 1.0]
    np.testing.assert_allclose(each["reward"], wanted)
    assert figures["reward"] == pytest.approx(sum(wanted) / 3)
    assert figures["reward_low"] <= figures["reward"] <= figures["reward_high"]
    assert figures["reward_label"] == pytest.approx((0.7 + 0.3 + 1.0) / 3)
    assert figures["reward_text"] == pytest.approx((0.4 + 0.5) / 2)
    # The most probable emotions are 0, 2 and 2.
    assert figures["chosen_reward"] == pytest.approx((0.6 + 0.2 * 0.5 + 0.2 * 1.0 + 0.8) / 3)
    assert set(each) == {"reward", "chosen_reward", "reward_label"}


def test_rows_that_train_on_other_rewards_are_compared_by_the_same_weights(registry: Registry) -> None:
    metric = _metric(registry, "reward", weights={"label": 1.0})
    trained_on_text, trained_on_label = _rewarded({"label": 0, "text": 1}), _rewarded({"label": 1, "text": 0})
    assert metric.compute(trained_on_text) == metric.compute(trained_on_label)
    assert metric.compute(trained_on_text)["reward"] == pytest.approx(2 / 3)
    with pytest.raises(
        EmosymError, match="metric reward: unknown reward 'lable'; did you mean \"label\""
    ) as error:
        _metric(registry, "reward", weights={"lable": 1.0}).compute(trained_on_text)
    assert "has weight 0 there" in error.value.hint


def test_readings_that_only_become_surer_raise_the_reward_and_not_that_of_what_they_choose(
    registry: Registry, readings: Evidence
) -> None:
    assert readings.probabilities is not None
    table = RewardTable({"label": np.eye(4)[readings.labels]}, {"label": 1.0})
    sharp = readings.probabilities**3 / (readings.probabilities**3).sum(1, keepdims=True)
    metric = _metric(registry, "reward")
    before = metric.compute(dataclasses.replace(readings, rewards=table))
    after = metric.compute(dataclasses.replace(readings, rewards=table, probabilities=sharp))
    assert after["reward"] > before["reward"] + 0.05
    assert after["chosen_reward"] == before["chosen_reward"]


def test_rewards_that_nobody_asked_or_that_apply_to_nothing_are_refused(registry: Registry) -> None:
    metric = _metric(registry, "reward")
    with pytest.raises(EmosymError, match="nobody says what the rewards give") as error:
        metric.compute(_evidence(np.eye(4), [0, 1, 2, 3]))
    assert error.value.id == "metric.no-rewards"
    silent = RewardTable({"text": np.full((4, 4), np.nan)}, {"text": 1.0})
    with pytest.raises(EmosymError, match="no reward applies") as error:
        metric.compute(_evidence(np.eye(4), [0, 1, 2, 3], rewards=silent))
    assert error.value.id == "metric.too-few"
