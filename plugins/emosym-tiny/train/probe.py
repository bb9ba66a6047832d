"""What a linear probe reads of the emotion that a text argues for, from the features of a text encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from emosym_tiny.world.distribution import World
from emosym_tiny.world.language import argued_emotion, rationale_for
from emosym_tiny.world.vocabulary import EMOTIONS
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

SEED, POOL, TEST, DRAWS = 20_240_420, 6_000, 2_000, 5
LABELS = (80, 400, 4_000)
WRONG = 0.2
"""Share of the texts that argue for another emotion than their picture's."""
PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the probe's quadratic penalty, over standardised features; cross-validation of the labelled texts
chooses."""

Encode = Callable[[Sequence[str]], Tensor]


def probe_texts() -> tuple[list[str], np.ndarray]:
    """Blind rationales and the emotions [POOL + TEST] that they argue for."""
    rng = np.random.default_rng(SEED)
    texts, argued = [], []
    for attributes, emotion in World().sample(POOL + TEST, rng):
        argued.append(argued_emotion(emotion, rng, WRONG))
        texts.append(rationale_for(attributes, argued[-1], rng, name_emotion=False))
    return texts, np.array(argued)


def probed(encode: Encode) -> dict[str, dict[str, float]]:
    """Accuracy on ``TEST`` texts by number of labels, as many of each emotion: mean and standard deviation over draws."""
    texts, argued = probe_texts()
    features = encode(texts).numpy()
    figures = {}
    for labels in LABELS:
        hits = [_accuracy(features, argued, _drawn(argued[:POOL], labels, draw)) for draw in range(DRAWS)]
        figures[f"{labels}_labels"] = {
            "mean": round(float(np.mean(hits)), 4),
            "std": round(float(np.std(hits, ddof=1)), 4),
        }
    return figures


def _drawn(argued: np.ndarray, labels: int, draw: int) -> np.ndarray:
    """Rows of ``labels`` texts, as many of each emotion."""
    rng = np.random.default_rng([SEED, labels, draw])
    each = labels // len(EMOTIONS)
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(argued == emotion), each, replace=False)
            for emotion in range(len(EMOTIONS))
        ]
    )


def _accuracy(features: np.ndarray, argued: np.ndarray, rows: np.ndarray) -> float:
    fitted = GridSearchCV(LogisticRegression(max_iter=500), {"C": PENALTIES}, cv=4)
    probe = make_pipeline(StandardScaler(), fitted)
    probe.fit(features[rows], argued[rows])
    return float(probe.score(features[POOL:], argued[POOL:]))
