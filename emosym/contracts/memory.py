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
    """A generated image offered to the bank, which makes an id for it, such as a hash of its pixels. ``scores`` are named probabilities of the wanted label in
    [0,1] (from the model as ``model`` and, where the run has one, from an independent judge as ``judge``);
    ``features`` (any length) are for diversity; ``generator`` is a hash of the weights that made it."""

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
    """Ids of the images that were taken in, which are those of their samples in the view."""
    replaced: Sequence[str]
    """Ids of the originals that were masked for them."""
    refused: Sequence[tuple[str, str]]
    """For each candidate that was not taken in the id that the bank made for it, unlike any other's, and the reason."""
    size: int
    """How many generated images the bank shows now."""
    fraction: float
    """Their share of the labelled originals, at most α."""


@dataclass(frozen=True)
class LedgerEntry:
    """One line of the bank's history."""

    number: int
    """Rises from line to line."""
    step: int
    """The optimiser step of the unify stage."""
    action: str
    """What was done: ``admit`` or ``refuse`` a candidate, ``replace`` (mask) an original, ``evict`` an
    admitted image for a newer one, ``rollback`` or ``restore`` the bank; ``refresh``, where a bank has such
    a line, opens a refresh. The report counts the actions at each step, and shows the reasons of refuse,
    rollback and restore."""
    image: str
    """The id that the bank made for the candidate or image, as in :class:`Refresh`, or that of the original; empty where the
    line is of the bank as a whole."""
    label: int
    """Its emotion; -1 where it has none."""
    reason: str
    """Why, in words."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Of an ``admit``: ``seed``, ``prompt``, ``scores`` and ``generator`` of the candidate, from which its
    picture can be made again. Free otherwise."""


class MemoryBank(Component[ConfigT]):
    """Keeps generated images that replace a fraction of the training set; scoring belongs to the stage,
    policy to the bank, and so does α, the largest share of the labelled originals that may be replaced: a
    parameter of the bank's config (``fraction`` of emosym's own, 0.1), which nobody else reads. Originals are
    masked, never deleted. A bank with the capability ``durable`` outlives the process: opened again on the same place it has its images, its ledger and its snapshots."""

    @abstractmethod
    def refresh(
        self, step: int, candidates: Sequence[Candidate], confidences: Mapping[str, float]
    ) -> Refresh:
        """Admit some candidates and mask as many originals. ``confidences`` maps EVERY labelled original's
        id to the current model's probability of its label: the lowest go first, at most a fraction α of
        those in all. Unlabelled originals are never masked. An image that takes an older one's place takes
        over the original which that masked.

        Whole or not at all: where it raises, for a missing confidence, a score that is no number, or
        candidates that break off, view and ledger are as before. It depends on the bank's state and its
        arguments alone: repeated after
        :meth:`restore`, as a resumed run does, it is not refused and gives the same ids."""

    @abstractmethod
    def reset(self) -> None:
        """Back to before the first refresh, as a stage that begins anew expects: the view is the originals. What the bank
        was shown and what is in its ledger stay; the ledger says that it went back."""

    @abstractmethod
    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        """The current training set: unmasked originals, in their order, then admitted images, in order of
        admission. The first view tells the bank what the originals are; it comes before the first refresh."""

    @abstractmethod
    def ledger(self) -> list[LedgerEntry]:
        """Every admission, replacement, eviction, refusal, roll-back and restore, one line each, oldest
        first. Lines are never changed or taken away."""

    @abstractmethod
    def snapshot(self) -> str:
        """An id for the present state, which stays as it is; cheap, kept until the bank goes."""

    @abstractmethod
    def restore(self, snapshot: str) -> None:
        """Return to the training set of a snapshot, an earlier or a later one than the present. The ledger
        keeps the history and gains a line. An unknown snapshot is an error."""

    @abstractmethod
    def rollback(self, reason: str) -> None:
        """Undo the last refresh, then the one before it; the ledger gains a line with the reason. Where
        none is left it is an error."""

    @abstractmethod
    def close(self) -> None:
        """Release files and connections; using the bank afterwards is an error, closing it again is none."""
