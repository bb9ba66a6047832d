"""The embedded sentence encoder knows the words that the world's rationales argue with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from emosym_metrics import SentenceConfig, SentenceEncoder
from emosym_registry import Registry, load_registry
from emosym_tiny.world.distribution import World
from emosym_tiny.world.language import caption, full_caption, rationale_for
from emosym_tiny.world.vocabulary import EMOTIONS

from emosym.contracts import Context, LabelSet

FOLDER = ("text_encoder", "sentence", "tiny")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(only=["emosym-tiny", "emosym-metrics"], strict=True)


@pytest.fixture(scope="module")
def encoder(registry: Registry) -> SentenceEncoder:
    context = Context(
        LabelSet.of(EMOTIONS), kind="text_encoder", component="sentence", aliases=registry.folders
    )
    return SentenceEncoder(SentenceConfig(model="tiny"), context)


def test_it_is_small(registry: Registry) -> None:
    size = sum(file.stat().st_size for file in Path(registry.folders[FOLDER]).iterdir())
    assert size < 700_000


def test_every_word_of_the_world_is_known(encoder: SentenceEncoder) -> None:
    rng = np.random.default_rng(5)
    texts = []
    for attributes, emotion in World().sample(500, rng):
        texts += [caption(attributes, rng), full_caption(attributes)]
        texts += [rationale_for(attributes, emotion, rng, name_emotion=named) for named in (True, False)]
    ids = encoder.tokenizer(texts)["input_ids"]
    assert not any(encoder.tokenizer.unk_token_id in own for own in ids)


def test_texts_that_argue_for_one_emotion_are_nearer_than_others(encoder: SentenceEncoder) -> None:
    """By the nearest of the eight means of ten texts each, about pictures that say nothing of the emotion. By the embedded
    CLIP, which has read no word of feeling, 11 % are right, as by chance."""
    rng = np.random.default_rng(6)
    argued = np.arange(480) % len(EMOTIONS)
    pictures = World().sample_uniform(len(argued), rng)
    texts = [
        rationale_for(attributes, emotion, rng, name_emotion=False)
        for attributes, emotion in zip(pictures, argued.tolist(), strict=True)
    ]
    features = encoder.encode(texts).numpy()
    known, asked = features[:80], features[80:]
    means = np.stack([known[argued[:80] == emotion].mean(0) for emotion in range(len(EMOTIONS))])
    right = ((asked @ means.T).argmax(1) == argued[80:]).mean()
    assert right > 0.35
