"""What an evaluation keeps for its report beside figures and predictions: the worst errors, and the emotion space on a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emosym.contracts import Sample
from emosym.predictions import Predictions
from emosym.report.pictures import as_url
from emosym.system import System

ERRORS = "final-errors.json"
"""The worst errors of an evaluation, a list; see ``docs/reference/run-folder.md``."""
SPACE = "final-space.json"
"""The emotion space of the system that was measured, on a plane."""
MOST = 12
"""Errors that are kept."""
REASONS = 2
"""Texts of the system's knowledge that are kept of each."""
POINTS = 24
"""Points of each emotion that are kept, of those that were read and of those that were drawn."""


def worst_errors(
    system: System, samples: Sequence[Sample], seen: Predictions, batch_size: int
) -> list[dict[str, Any]]:
    """The wrong answers that the system is surest of, the surest first: what it saw, what it said, and why.

    ``samples`` are the N that the predictions are of. ``reasons`` are the texts that the system wrote, or those of its
    knowledge that are nearest to what it sees; empty where it has neither.
    """
    assert seen.probabilities is not None
    table = seen.probabilities
    answers = table.argmax(1)
    wrong = np.flatnonzero(answers != seen.labels)
    worst = wrong[np.argsort(-table[wrong, answers[wrong]], kind="stable")][:MOST].tolist()
    pictures = [samples[i] for i in worst]
    return [
        {
            "id": seen.ids[i],
            "label": seen.names[seen.labels[i]],
            "read": seen.names[answers[i]],
            "probability": float(table[i, answers[i]]),
            "of_label": float(table[i, seen.labels[i]]),
            "reasons": reasons,
            "picture": as_url(sample.open()[0]),
        }
        for i, sample, reasons in zip(worst, pictures, _reasons(system, pictures, batch_size), strict=True)
    ]


def _reasons(system: System, samples: Sequence[Sample], batch_size: int) -> list[list[str]]:
    if not samples:
        return []
    if system.explicit:
        return [[text] for text in system.told(samples, batch_size)[1] or []]
    if system.knowledge is None or not system.projects:
        return [[] for _ in samples]
    states, _ = system.read(samples, batch_size)
    return [[reason.text for reason in own] for own in system.reasons(states, REASONS)]


def space_on_a_plane(
    system: System, samples: Sequence[Sample], seed: int, batch_size: int
) -> dict[str, Any] | None:
    """The states at [EMO] of some labelled samples, and states that the emotion space draws, on the plane along which they
    differ most; None where the system draws none, there is no labelled sample, or a state is not finite.

    ``spread`` is each direction's share of the variance, ``read`` and ``drawn`` are [x, y] by emotion.
    """
    names = system.labels.names
    counted: dict[int, int] = dict.fromkeys(range(len(names)), 0)
    chosen = []
    for sample in samples:
        if sample.label is not None and counted[sample.label] < POINTS:
            counted[sample.label] += 1
            chosen.append(sample)
    if system.generation is None or system.explicit or not chosen:
        return None
    read = system.read(chosen, batch_size)[0].emotion.float().cpu().numpy()
    labels = [label for label in range(len(names)) for _ in range(POINTS)]
    seeds = range(seed, seed + len(labels))
    drawn = system.generation.draw_states(torch.eye(len(names))[labels], seeds).emotion.float().cpu().numpy()
    states = np.concatenate([read, drawn]).astype(np.float64)
    if not np.isfinite(states).all():  # of a training that diverged, which the figures say
        return None
    points, spread = on_a_plane(states)
    return {
        "spread": spread.tolist(),
        "read": _by_name(points[: len(read)], [sample.label or 0 for sample in chosen], names),
        "drawn": _by_name(points[len(read) :], labels, names),
    }


def on_a_plane(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first two principal components [N,2] of points [N,D], N and D at least 2, and their shares of the variance [2]. A
    component's sign is free: its largest weight is made positive, so that equal points give an equal picture."""
    centred = points - points.mean(0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    first = directions[:2]
    largest = np.abs(first).argmax(1)
    first = first * np.sign(first[np.arange(2), largest])[:, None]
    total = (sizes**2).sum()
    return centred @ first.T, (sizes[:2] ** 2 / total if total else np.zeros(2))


def _by_name(
    points: NDArray[np.float64], labels: Sequence[int], names: Sequence[str]
) -> dict[str, list[list[float]]]:
    of_label = np.asarray(labels)
    return {
        name: [[float(f"{value:.4g}") for value in point] for point in points[of_label == place]]
        for place, name in enumerate(names)
    }
