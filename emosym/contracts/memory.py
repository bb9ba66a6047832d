"""MemoryBank: the Online Emotional Memory Bank (OEMB)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.sample import Generated, Sample


@dataclass(frozen=True)
class Candidate:
    """A generated image offered to the bank. ``scores`` are named probabilities of the wanted label in [0,1] (from the
    model as ``model`` and, where the run has one, from an independent judge as ``judge``); ``features`` (any length)
    are for diversity; ``generator`` is a hash of the weights that made it."""

    generated: Generated
    scores: Mapping[str, float]
    features: Sequence[float] = ()
    generator: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refresh:
    """What one refresh of the bank did."""

    step: int
    """The optimiser step of the unify stage."""
    admitted: Sequence[str]
    """Ids of the images that were taken in."""
    replaced: Sequence[str]
    """Ids of the originals that were masked for them."""
    refused: Sequence[tuple[str, str]]
    """A candidate and the reason, for each that was not taken in."""
    size: int
    """How many generated images the bank shows now."""
    fraction: float
    """Their share of the labelled originals, at most α."""


@dataclass(frozen=True)
class LedgerEntry:
    """One line of the bank's history; ``detail`` holds scores, seed, prompt and generator hash."""

    number: int
    step: int
    action: str
    image: str
    label: int
    reason: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class MemoryBank(Component[ConfigT]):
    """Keeps generated images that replace a fraction of the training set; scoring belongs to the stage, policy to the
    bank. Durable: a refresh is one transaction. Originals are masked, never deleted."""

    @abstractmethod
    def refresh(
        self, step: int, candidates: Sequence[Candidate], confidences: Mapping[str, float]
    ) -> Refresh:
        """Admit some candidates and mask as many originals. ``confidences`` maps EVERY labelled original's id to the
        current model's probability of its label: the lowest go first, at most a fraction α of those in all. Unlabelled
        originals are never masked. An image that takes an older one's place takes over the original which that masked."""

    @abstractmethod
    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        """The current training set: unmasked originals, in their order, then admitted images, in order of admission.
        The first view tells the bank what the originals are; it comes before the first refresh."""

    @abstractmethod
    def ledger(self) -> list[LedgerEntry]:
        """Every admission, replacement, refusal, roll-back and restore, oldest first."""

    @abstractmethod
    def snapshot(self) -> str:
        """An id for the present state; cheap, kept until the bank goes."""

    @abstractmethod
    def restore(self, snapshot: str) -> None:
        """Return to a snapshot (the ledger keeps the history and gains a line)."""

    @abstractmethod
    def rollback(self, reason: str) -> None:
        """Undo the last refresh."""

    @abstractmethod
    def close(self) -> None:
        """Release files and connections; using the bank afterwards is an error."""
