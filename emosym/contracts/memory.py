"""MemoryBank: the Online Emotional Memory Bank (OEMB)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from emosym.contracts.data import Candidate, Context, LedgerEntry, Refresh, Sample


class MemoryBank(ABC):
    """Keeps generated images that replace a fraction of the training set; scoring belongs to the stage, policy to the
    bank. Durable: a refresh is one transaction. Originals are masked, never deleted."""

    config: Any
    context: Context

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
