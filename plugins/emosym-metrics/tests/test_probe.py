"""The judge that a run teaches: what it learns, from which pictures, and that it comes out the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from emosym_metrics.config import ProbeConfig
from emosym_metrics.judges.probe import ProbeJudge
from emosym_registry import EmosymError
from PIL import Image

from emosym.contracts import Context, LabelSet, Sample

LABELS = LabelSet.of(["calm", "rage", "dread"])
SHADES = {"calm": (60, 90, 220), "rage": (220, 50, 40), "dread": (30, 30, 35)}


def shade(name: str, number: int) -> Image.Image:
    """A noisy picture in an emotion's colour."""
    chance = np.random.default_rng([number, len(name)])
    pixels = np.array(SHADES[name]) + chance.normal(0, 25, (16, 16, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def lesson(labels: LabelSet, each: int, first: int = 0) -> list[Sample]:
    return [
        Sample(f"{name}-{i}", (shade(name, i),), labels.index(name))
        for i in range(first, first + each)
        for name in labels.names
    ]


def probe(folder: Path, labels: LabelSet = LABELS, **params: object) -> ProbeJudge:
    config = ProbeConfig.model_validate({"model": str(folder), **params})
    return ProbeJudge(config, Context(labels, kind="judge", component="probe"))


@pytest.mark.parametrize("names", [("calm", "rage", "dread"), ("rage", "calm")])
def test_it_reads_other_pictures_by_what_a_few_have_taught_it(
    clip_folder: Path, names: tuple[str, ...]
) -> None:
    labels = LabelSet.of(list(names))
    judge = probe(clip_folder, labels)
    judge.learn(lesson(labels, 4))
    new = lesson(labels, 20, first=50)
    read = judge.probabilities([one.open()[0] for one in new])
    right = read.argmax(1) == torch.tensor([one.label for one in new])
    assert float(right.float().mean()) > 0.9
    torch.testing.assert_close(read.sum(1), torch.ones(len(new)))


def test_pictures_without_a_label_teach_nothing(clip_folder: Path) -> None:
    one, other = probe(clip_folder), probe(clip_folder)
    one.learn(lesson(LABELS, 3))
    hidden = [dataclasses.replace(each, label=None) for each in lesson(LABELS, 5, first=90)]
    other.learn([*hidden, *lesson(LABELS, 3)])
    assert one.identity == other.identity


def test_at_most_so_many_pictures_of_an_emotion_teach(clip_folder: Path) -> None:
    few, all_, same = probe(clip_folder, per_class=2), probe(clip_folder, per_class=None), probe(clip_folder)
    for judge in (few, all_, same):
        judge.learn(lesson(LABELS, 6))
    assert few.identity != all_.identity
    assert all_.identity == same.identity


def test_more_decay_leaves_it_less_sure(clip_folder: Path) -> None:
    sure = {}
    for decay in (0.001, 1.0):
        judge = probe(clip_folder, decay=decay)
        judge.learn(lesson(LABELS, 4))
        sure[decay] = float(judge.probabilities([shade("rage", 70)]).max())
    assert sure[0.001] > sure[1.0]


def test_an_emotion_without_a_labelled_picture_is_named(clip_folder: Path) -> None:
    with pytest.raises(EmosymError, match="there is none of dread") as caught:
        probe(clip_folder).learn([one for one in lesson(LABELS, 2) if one.label != 2])
    assert caught.value.id == "judge.no-pictures"


def test_before_it_is_taught_it_says_nothing(clip_folder: Path) -> None:
    judge = probe(clip_folder)
    for use in (lambda: judge.identity, lambda: judge.probabilities([shade("calm", 1)])):
        with pytest.raises(EmosymError, match="knows nothing before a run has taught it"):
            use()
