"""Drawing part of a dataset, class by class and by seed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from emosym_data.config import SubsetConfig


@dataclass(frozen=True)
class Chosen:
    """Indices of the images to use, in their order, and those among them whose label is hidden."""

    indices: list[int]
    hidden: frozenset[int]


def choose(labels: Sequence[Hashable], split: str, config: SubsetConfig, seed: int) -> Chosen:
    """Apply ``limit`` to any split, and ``labelled`` or ``label_fraction`` to train, in a run of this ``seed``."""
    limit, seed = config.limit_of(split), config.drawn_by(seed)
    indices = stratified(labels, limit, seed) if limit is not None else list(range(len(labels)))
    if split != "train" or (config.labelled is None and config.label_fraction is None):
        return Chosen(indices, frozenset())
    count = config.labelled
    if count is None:
        count = max(1, round(float(config.label_fraction or 0) * len(indices)))
    kept = stratified([labels[i] for i in indices], count, seed)
    return Chosen(indices, frozenset(indices) - {indices[i] for i in kept})


def stratified(labels: Sequence[Hashable], count: int, seed: int) -> list[int]:
    """``count`` ascending indices, the classes in proportion, each at least once where there is room.

    Each class is drawn from one seeded order, so a larger draw contains a smaller one's share of it.
    """
    if count >= len(labels):
        return list(range(len(labels)))
    orders = class_orders(labels, seed)
    shares = _shares([len(order) for order in orders], count)
    return sorted(index for order, share in zip(orders, shares, strict=True) for index in order[:share])


def class_orders(labels: Sequence[Hashable], seed: int) -> list[list[int]]:
    """Each class's indices in a seeded order; classes go by name, so only their own images matter."""
    classes: dict[Hashable, list[int]] = {}
    for index, label in enumerate(labels):
        classes.setdefault(label, []).append(index)
    orders = []
    for number, label in enumerate(sorted(classes, key=str)):
        members = np.array(classes[label])
        orders.append(np.random.default_rng([seed, number]).permutation(members).tolist())
    return orders


def _shares(sizes: Sequence[int], count: int) -> list[int]:
    """How many of each class: by largest remainder, and at least one where ``count`` allows it."""
    exact = [count * size / sum(sizes) for size in sizes]
    shares = [int(part) for part in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (shares[i] - exact[i], i))
    for i in by_remainder[: count - sum(shares)]:
        shares[i] += 1
    while 0 in shares and max(shares) > 1:
        shares[shares.index(max(shares))] -= 1
        shares[shares.index(0)] += 1
    return shares
