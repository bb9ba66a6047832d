"""Which candidates enter the bank and which originals they replace: pure functions, no storage."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from emosym_memory.config import BankConfig
from emosym_memory.ledger import Held, State

Features = npt.NDArray[np.float32]
SAME = "the very same image is in the bank"
FLAGGED = "a safety checker flagged it, and it is black"


@dataclass(frozen=True)
class ScoredCandidate:
    """A candidate as the policy sees it: its place among the candidates, and its id, which is that of its
    content. ``features`` may be empty; ``flagged`` ones never enter."""

    index: int
    id: str
    label: int
    scores: Mapping[str, float]
    features: Features
    flagged: bool = False


@dataclass(frozen=True)
class Decision:
    """What happens to a candidate: ``admitted`` or refused.

    ``replaced`` names the original that it masks, where it masks one; ``evicts`` is the older image whose place (and
    masked original) it takes; ``why_replaced`` says why that original or that image had to go.
    """

    candidate: ScoredCandidate
    reason: str
    score: float
    admitted: bool = False
    replaced: str | None = None
    evicts: str | None = None
    why_replaced: str = ""


@dataclass(frozen=True)
class Situation:
    """All a policy decides from. ``originals`` maps id → label (None where unlabelled), ``confidences`` labelled
    ones, where it is known, → the model's probability of their label, ``features`` held images → features, ``names`` the
    emotions."""

    config: BankConfig
    originals: Mapping[str, int | None]
    confidences: Mapping[str, float]
    state: State
    features: Mapping[str, Features]
    names: Sequence[str]

    @property
    def counted(self) -> int:
        """How many originals α is a share of: the labelled ones, which alone can be replaced, or all where images join."""
        if self.config.mode == "add":
            return len(self.originals)
        return self.sizes.total()

    @property
    def capacity(self) -> int:
        """How many images the bank may hold: ⌊α·N⌋, of the N originals that count."""
        return math.floor(self.config.fraction * self.counted + 1e-9)

    @cached_property
    def sizes(self) -> Counter[int]:
        """How many labelled originals each emotion has."""
        return Counter(label for label in self.originals.values() if label is not None)

    def weakest(self, count: int) -> list[str]:
        """The ``count`` least confident of the labelled originals of known confidence that no image stands in for; ties in
        order of id. None where images join."""
        return self._least(self._free, count)

    def weakest_of(self, label: int, count: int) -> list[str]:
        """The same of one emotion."""
        return self._least(self._free_of.get(label, []), count)

    def _least(self, ids: Sequence[str], count: int) -> list[str]:
        return heapq.nsmallest(count, ids, key=lambda id: (self.confidences[id], id))

    @cached_property
    def _free(self) -> list[str]:
        if self.config.mode == "add":
            return []
        reserved = self.state.reserved
        return [id for id in self.confidences if self.originals[id] is not None and id not in reserved]

    @cached_property
    def _free_of(self) -> dict[int, list[str]]:
        grouped: dict[int, list[str]] = {}
        for id in self._free:
            grouped.setdefault(self.originals[id] or 0, []).append(id)
        return grouped


def decide(situation: Situation, candidates: Sequence[ScoredCandidate]) -> list[Decision]:
    """One decision a candidate, best candidates first."""
    chosen = {"paper": _paper, "emosym": _emosym}[situation.config.policy]
    decisions = chosen(situation, [one for one in candidates if not one.flagged])
    flagged = (one for one in candidates if one.flagged)
    return decisions + [Decision(one, FLAGGED, combined(situation.config, one)) for one in flagged]


def _paper(situation: Situation, candidates: Sequence[ScoredCandidate]) -> list[Decision]:
    """The model's confidence in the target ranks the whole set; the least confident originals go first."""
    weakest, replaces = situation.weakest(len(candidates)), situation.config.mode == "replace"
    full = f"full: {situation.capacity} {'originals are replaced' if replaces else 'images have joined'}"
    room = situation.capacity - len(situation.state.held)
    taken = {one.id for one in situation.state.held}
    decisions = []
    for candidate in _ranked(candidates, lambda candidate: candidate.scores["model"]):
        score = candidate.scores["model"]
        if candidate.id in taken:
            decisions.append(Decision(candidate, SAME, score))
        elif room <= 0:
            decisions.append(Decision(candidate, full, score))
        elif replaces and not weakest:
            decisions.append(Decision(candidate, "no original of known confidence is left to replace", score))
        else:
            original = weakest.pop(0) if replaces else None
            why = "" if original is None else f"lowest confidence, {situation.confidences[original]:.4f}"
            said = f"model confidence {score:.4f}"
            decisions.append(Decision(candidate, said, score, True, original, why_replaced=why))
            taken.add(candidate.id)
            room -= 1
    return decisions


def _emosym(situation: Situation, candidates: Sequence[ScoredCandidate]) -> list[Decision]:
    """Model and judge, equal quotas, diverse neighbours, renewal; class by class, independently."""
    decisions: list[Decision] = []
    taken = {one.id for one in situation.state.held}
    for label in sorted({candidate.label for candidate in candidates}):
        fresh = []
        for candidate in (candidate for candidate in candidates if candidate.label == label):
            if candidate.id in taken:
                decisions.append(Decision(candidate, SAME, combined(situation.config, candidate)))
            else:
                taken.add(candidate.id)
                fresh.append(candidate)
        decisions += _Class(situation, label, fresh).decide()
    return decisions


def combined(config: BankConfig, candidate: ScoredCandidate) -> float:
    """One score from all: the smallest, or the geometric mean."""
    values = list(candidate.scores.values())
    return min(values) if config.combine == "min" else math.prod(values) ** (1 / len(values))


def quota(situation: Situation, label: int) -> int:
    """The class's share: equal for all classes, and no class loses more than its own α (rounded up)."""
    equal = situation.capacity // max(len(situation.sizes), 1)
    if situation.config.mode == "add":
        return equal
    return min(equal, math.ceil(situation.config.fraction * situation.sizes[label] - 1e-9))


class _Class:
    """The emosym policy within one class."""

    def __init__(self, situation: Situation, label: int, candidates: Sequence[ScoredCandidate]) -> None:
        self.situation, self.config = situation, situation.config
        self.name = situation.names[label]
        self.scores = {candidate.id: combined(self.config, candidate) for candidate in candidates}
        self.candidates = _ranked(candidates, lambda candidate: self.scores[candidate.id])
        self.quota = quota(situation, label)
        self.weakest = situation.weakest_of(label, len(candidates))
        own = [one for one in situation.state.held if one.label == label]
        self.old = [one for one in own if one.id not in situation.state.hidden]
        """What may give way: an image that is masked by hand keeps its place."""
        self.features: dict[str, Features] = {
            one.id: situation.features[one.id] for one in own if one.id in situation.features
        }
        self.count = len(own)
        self.scale = _mean_distance(
            [*self.features.values(), *(candidate.features for candidate in candidates)]
        )

    def decide(self) -> list[Decision]:
        return [self._one(candidate, self.scores[candidate.id]) for candidate in self.candidates]

    def _one(self, candidate: ScoredCandidate, score: float) -> Decision:
        if score < self.config.min_score:
            low = f"the score {score:.4f} is below the {self.config.min_score:g} that is asked for"
            return Decision(candidate, low, score)
        victim, why = None, ""
        if self.count >= self.quota:
            victim, why = self._victim(score)
            if victim is None:
                return Decision(
                    candidate,
                    f"the quota of {self.quota} for {self.name} is full of newer and better images",
                    score,
                )
        if victim is None and self.config.mode == "replace" and not self.weakest:
            return Decision(
                candidate, f"no original of {self.name} of known confidence is left to replace", score
            )
        near = self._too_near(candidate, victim)
        if near is not None:
            return Decision(candidate, near, score)
        if victim is not None:
            self.old.remove(victim)
            self.features.pop(victim.id, None)
            original = victim.replaced
        else:
            self.count += 1
            original = self.weakest.pop(0) if self.config.mode == "replace" else None
            if original is not None:
                why = f"lowest confidence of {self.name}, {self.situation.confidences[original]:.4f}"
        if candidate.features.size:
            self.features[candidate.id] = candidate.features
        evicts = None if victim is None else victim.id
        said = f"{self.config.combine} score {score:.4f}"
        return Decision(candidate, said, score, True, original, evicts, why)

    def _victim(self, score: float) -> tuple[Held | None, str]:
        """The earlier image that gives way: the oldest of the stale, else the worst if it is worse."""
        if not self.old:
            return None, ""
        now = len(self.situation.state.refreshes) + 1
        oldest = min(self.old, key=lambda one: (one.refresh, one.score, one.number))
        age = now - oldest.refresh
        if self.config.max_age is not None and age >= self.config.max_age:
            return oldest, f"{age} refreshes old"
        worst = min(self.old, key=lambda one: (one.score, one.number))
        if worst.score < score:
            return worst, f"score {worst.score:.4f} is below the newcomer's {score:.4f}"
        return None, ""

    def _too_near(self, candidate: ScoredCandidate, victim: Held | None) -> str | None:
        neighbours = {
            id: float(np.linalg.norm(other - candidate.features))
            for id, other in self.features.items()
            if other.shape == candidate.features.shape and (victim is None or id != victim.id)
        }
        if not neighbours or self.config.min_distance == 0:
            return None
        nearest = min(neighbours, key=lambda id: (neighbours[id], id))
        distance = neighbours[nearest] / self.scale if self.scale else 0.0
        if distance >= self.config.min_distance:
            return None
        return (
            f"too near to {nearest}: {distance:.3f} of the mean distance between pictures of {self.name}, "
            f"where {self.config.min_distance:g} is asked for"
        )


def _ranked(
    candidates: Sequence[ScoredCandidate], score: Callable[[ScoredCandidate], float]
) -> list[ScoredCandidate]:
    """Best first; ties in order of id, so that the order of the candidates does not matter."""
    return sorted(candidates, key=lambda candidate: (-score(candidate), candidate.id, candidate.label))


def _mean_distance(features: Sequence[Features]) -> float:
    """Mean Euclidean distance over all pairs of one length; 0 where there is no pair."""
    by_length: dict[int, list[Features]] = {}
    for one in features:
        if one.size:
            by_length.setdefault(one.size, []).append(one)
    largest = max(by_length.values(), key=len, default=[])
    if len(largest) < 2:
        return 0.0
    matrix = np.stack(largest).astype(np.float64)
    squares = (matrix**2).sum(1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * matrix @ matrix.T, 0))
    return float(distances[np.triu_indices(len(largest), 1)].mean())
