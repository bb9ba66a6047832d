"""The embedded world: its distribution, its pictures, its language and its files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from emosym_tiny.world import (
    AFFECT_WORDS,
    EMOTIONS,
    OBJECTS,
    SCENES,
    Attributes,
    World,
    caption,
    full_caption,
    rationale,
    render,
    render_many,
    write_emoset,
)
from emosym_tiny.world.language import argued_emotion, names_emotion
from emosym_tiny.world.phrases import REASONS
from PIL import Image

WORLD = World()


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_bayes_accuracy_lies_in_its_band() -> None:
    assert 0.86 <= WORLD.bayes_accuracy <= 0.88


def test_bayes_accuracy_agrees_with_monte_carlo() -> None:
    samples = WORLD.sample(6000, generator())
    hits = [int(WORLD.posterior(attributes).argmax()) == emotion for attributes, emotion in samples]
    # Four standard errors of a proportion near 0.87 over 6000 draws.
    assert abs(np.mean(hits) - WORLD.bayes_accuracy) < 4 * np.sqrt(0.87 * 0.13 / 6000)


def test_likelihood_and_posterior_are_distributions() -> None:
    np.testing.assert_allclose(WORLD.likelihood.sum(axis=(1, 2, 3, 4)), 1.0, atol=1e-12)
    np.testing.assert_allclose(WORLD.posterior_table.sum(axis=0), 1.0, atol=1e-12)
    assert WORLD.posterior(Attributes(0, 0, 0.5, 0.5)).shape == (8,)


@pytest.mark.parametrize("factor", ["scene", "object", "brightness", "color"])
def test_each_factor_informs_and_none_suffices(factor: str) -> None:
    assert 1.5 / 8 < WORLD.marginal_accuracy(factor) < 0.75
    others = [name for name in ("scene", "object", "brightness", "color") if name != factor]
    assert WORLD.marginal_accuracy(*others) < WORLD.bayes_accuracy - 0.01


def test_samples_are_a_function_of_the_seed() -> None:
    assert WORLD.sample(50, generator(3)) == WORLD.sample(50, generator(3))
    assert WORLD.sample(50, generator(3)) != WORLD.sample(50, generator(4))


def test_uniform_samples_cover_every_pair() -> None:
    seen = {(row.scene, row.object) for row in WORLD.sample_uniform(3000, generator())}
    assert len(seen) == len(SCENES) * len(OBJECTS)


def test_levels_survive_rounding_to_tenths() -> None:
    for row in WORLD.sample_uniform(500, generator()):
        rounded = Attributes(row.scene, row.object, round(row.brightness, 1), round(row.colorfulness, 1))
        assert rounded.brightness_level == row.brightness_level
        assert rounded.color_level == row.color_level


def test_values_outside_the_unit_interval_are_refused() -> None:
    with pytest.raises(ValueError, match="lies in"):
        _ = Attributes(0, 0, 1.5, 0.5).brightness_level


def test_render_is_a_function_of_attributes_and_seed() -> None:
    attributes = Attributes(2, 5, 0.5, 0.8)
    first = render(attributes, generator(1))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, render(attributes, generator(1)))
    assert (first != render(attributes, generator(2))).any()


@pytest.mark.parametrize("size", [32, 96])
def test_render_takes_any_size(size: int) -> None:
    assert render(Attributes(0, 0, 0.5, 0.5), generator(), size).shape == (size, size, 3)


@pytest.mark.parametrize("scene", range(len(SCENES)))
def test_scenes_leave_no_pixel_unpainted(scene: int) -> None:
    # A hole would be pure black, which no bright scene contains.
    for seed in range(12):
        assert render(Attributes(scene, 0, 1.0, 0.5), generator(seed)).max(axis=2).min() > 20


def test_brightness_and_colorfulness_show_in_the_pixels() -> None:
    for scene in range(len(SCENES)):
        dark, bright = (render(Attributes(scene, 6, b, 0.5), generator()).mean() for b in (0.15, 0.85))
        assert bright > dark + 30
        muted, vivid = (
            np.ptp(render(Attributes(scene, 6, 0.5, c), generator()), axis=2).mean() for c in (0.15, 0.85)
        )
        assert vivid > muted + 5


def test_workers_do_not_change_the_pictures() -> None:
    rows = WORLD.sample_uniform(230, generator())
    np.testing.assert_array_equal(render_many(rows, 5, workers=1), render_many(rows, 5, workers=2))


def test_render_many_of_nothing_is_empty() -> None:
    assert render_many([], 0).shape == (0, 64, 64, 3)


def test_captions_hold_no_affect_words_and_vary() -> None:
    rng = generator()
    captions = [caption(row, rng) for row in WORLD.sample_uniform(2000, rng)]
    words = {word for text in captions for word in re.findall(r"[a-z]+", text)}
    assert words.isdisjoint(AFFECT_WORDS)
    assert all(text == text.lower() for text in captions)
    assert len(set(captions)) > 1000


def test_full_caption_is_complete_and_distinct_per_cell() -> None:
    rows = [
        Attributes(s, o, b, c) for s in range(10) for o in range(14) for b in (0.1, 0.5, 0.9) for c in (0, 1)
    ]
    captions = [full_caption(row) for row in rows]
    assert len(set(captions)) == len(rows)
    assert all(
        row.scene_name in text and row.object_name in text for row, text in zip(rows, captions, strict=True)
    )


def test_blind_rationales_contain_no_emotion_name() -> None:
    rng = generator()
    for attributes, emotion in WORLD.sample(3000, rng):
        assert not names_emotion(rationale(attributes, emotion, rng, name_emotion=False))


def test_naming_rationales_name_exactly_their_emotion() -> None:
    rng = generator()
    for attributes, emotion in WORLD.sample(1000, rng):
        text = rationale(attributes, emotion, rng, name_emotion=True)
        assert [name for name in EMOTIONS if name in re.findall(r"[a-z]+", text)] == [EMOTIONS[emotion]]


def test_every_emotion_has_reasons_of_its_own() -> None:
    reasons = [reason for name in EMOTIONS for reason in REASONS[name]]
    assert all(len(REASONS[name]) >= 6 for name in EMOTIONS)
    assert len(set(reasons)) == len(reasons)


def test_wrong_rate_is_honoured() -> None:
    rng = generator()
    argued = [argued_emotion(3, rng, 0.3) for _ in range(4000)]
    # Four standard errors of a proportion of 0.3 over 4000 draws.
    assert abs(np.mean([emotion != 3 for emotion in argued]) - 0.3) < 4 * np.sqrt(0.21 / 4000)
    assert set(argued) == set(range(8))
    assert {argued_emotion(3, rng, 1.0) for _ in range(200)} == set(range(8)) - {3}


def test_wrong_rationales_argue_for_another_emotion() -> None:
    text = rationale(Attributes(0, 0, 0.5, 0.5), 0, generator(), name_emotion=True, wrong=1.0)
    assert "amusement" not in text


def test_writer_follows_the_layout_of_emoset(tmp_path: Path) -> None:
    root = tmp_path / "world"
    manifest = write_emoset(root, train=20, val=5, test=5, seed=1, workers=1)
    assert json.loads((root / "world.json").read_text()) == manifest
    info = json.loads((root / "info.json").read_text())
    named = {"facial_expression", "human_action", "object"}
    assert set(info) == {"emotion", "brightness", "colorfulness", "scene", *named}
    assert set(info["emotion"]["label2idx"]) == set(EMOTIONS)
    for split, count in manifest["splits"].items():
        rows = json.loads((root / f"{split}.json").read_text())
        assert len(rows) == count
        for emotion, image, annotation in rows:
            content = json.loads((root / annotation).read_text())
            identifier = content["image_id"]
            assert image == f"image/{emotion}/{identifier}.jpg"
            assert annotation == f"annotation/{emotion}/{identifier}.json"
            assert content["emotion"] == emotion
            assert content["scene"] in info["scene"]["label2idx"]
            assert content["object"][0] in info["object"]["label2idx"]
            assert str(content["brightness"]) in info["brightness"]["label2idx"]
            assert emotion in content["reasoning"]
            assert not names_emotion(content["reasoning_blind"])
            with Image.open(root / image) as picture:
                assert picture.size == (64, 64)


def test_writer_is_deterministic(tmp_path: Path) -> None:
    first, again, other = (
        write_emoset(tmp_path / name, train=20, val=0, test=0, seed=seed, workers=1)["sha256"]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again != other


def test_writer_counts_its_wrong_rationales(tmp_path: Path) -> None:
    root = tmp_path / "world"
    manifest = write_emoset(root, train=60, val=0, test=0, seed=1, wrong=0.5, workers=1)
    rows = [json.loads((root / row[-1]).read_text()) for row in json.loads((root / "train.json").read_text())]
    wrong = sum(row["emotion"] not in re.findall(r"[a-z]+", row["reasoning"]) for row in rows)
    assert wrong == manifest["wrong_count"] > 0


def test_writer_refuses_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        write_emoset(tmp_path, train=1, val=0, test=0, seed=1)


def test_failed_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr("emosym_tiny.world.emoset.render_many", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        write_emoset(tmp_path / "world", train=4, val=0, test=0, seed=1)
    assert list(tmp_path.iterdir()) == []
