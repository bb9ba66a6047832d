"""Pairs of pictures of one emotion: which, and the interval of what is measured between them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from emosym_metrics.metrics.intervals import percentiles
from emosym_metrics.metrics.pictures import Pictures

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def drawn_pairs(pictures: Pictures, labels: Ints, count: int, seed: int) -> Ints:
    """``count`` different pairs [P,2] of each emotion, all of them where it has no more; the same ones for the same
    pictures, whatever their order. Some emotion has two pictures."""
    rng = np.random.default_rng(seed)
    hashes = np.array([hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures])
    pairs = [
        own[_different(len(own), count, rng)]
        for own in (np.flatnonzero(labels == label) for label in np.unique(labels))
        for own in (own[np.argsort(hashes[own], kind="stable")],)
        if len(own) > 1
    ]
    return np.concatenate(pairs)


def _different(size: int, count: int, rng: np.random.Generator) -> Ints:
    """Places [P,2] of different pairs of ``size`` things."""
    first, second = np.triu_indices(size, k=1)
    chosen = np.arange(len(first))
    if count < len(first):
        chosen = np.sort(rng.choice(len(first), count, replace=False))
    return np.stack([first[chosen], second[chosen]], axis=1).astype(np.int64)


def pair_mean(
    name: str, distances: Floats, pairs: Ints, labels: Ints, resamples: int, seed: int
) -> Mapping[str, float]:
    """The emotions' mean of the mean of their pairs' ``distances`` [P], with ``_low`` and ``_high``.

    Pairs share images, so the interval draws images of an emotion again and again: a pair counts as often as both
    its images together were drawn.
    """
    rng = np.random.default_rng(seed)
    owners = labels[pairs[:, 0]]
    emotions = np.unique(owners)
    means = [float(distances[owners == label].mean()) for label in emotions]
    drawn = [
        _resampled(distances[owners == label], pairs[owners == label], resamples, rng) for label in emotions
    ]
    return percentiles(name, float(np.mean(means)), np.mean(drawn, axis=0))


def _resampled(distances: Floats, pairs: Ints, resamples: int, rng: np.random.Generator) -> Floats:
    """Means [R] of the pairs, the images drawn anew; the plain mean where a draw has no pair."""
    places = np.unique(pairs, return_inverse=True)
    size, within = len(places[0]), places[1].reshape(pairs.shape)
    counts = rng.multinomial(size, np.full(size, 1 / size), resamples)
    weights = (counts[:, within[:, 0]] * counts[:, within[:, 1]]).astype(np.float64)
    total = weights.sum(1)
    means = np.divide(weights @ distances, total, out=np.full(resamples, distances.mean()), where=total > 0)
    return np.asarray(means)
