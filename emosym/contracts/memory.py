"""MemoryBank: the Online Emotional Memory Bank (OEMB)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from emosym_registry import EmosymError

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.reading import Generated
from emosym.contracts.sample import Sample


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
    """Their share of the originals that α counts, at most α: of the labelled ones, or of all where the bank ``adds``."""


@dataclass(frozen=True)
class LedgerEntry:
    """One line of the bank's history."""

    number: int
    """Rises from line to line."""
    step: int
    """The optimiser step of the unify stage."""
    action: str
    """What was done: ``admit`` or ``refuse`` a candidate, ``replace`` (mask) an original, ``evict`` an
    admitted image for a newer one, ``rollback`` or ``restore`` the bank, ``mask`` or ``unmask`` an admitted
    image by hand; ``refresh``, where a bank has such a line, opens a refresh. The report counts the actions at
    each step, and shows the reasons of refuse, rollback and restore."""
    image: str
    """The id that the bank made for the candidate or image, as in :class:`Refresh`, or that of the original; empty where the
    line is of the bank as a whole."""
    label: int
    """Its emotion; -1 where it has none."""
    reason: str
    """Why, in words."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Of an ``admit``: ``seed``, ``prompt``, ``scores`` and ``generator`` of the candidate, from which its
    picture can be made again. Of a ``rollback`` or ``restore``: ``to``, the number of the line after which the bank was as
    it is again, 0 for before the first: :func:`replay` needs it. Free otherwise."""


@dataclass(frozen=True)
class Standing:
    """What a ledger amounts to after some line of it."""

    admitted: Mapping[str, LedgerEntry] = field(default_factory=dict)
    """The images that the bank holds, in the order of their admission, with the lines that admitted them."""
    masked: frozenset[str] = frozenset()
    """Those of them that are taken out of the training set by hand."""
    refreshes: Sequence[tuple[int, int]] = ()
    """The refreshes in effect, oldest first: the number of the first line of each, and its step."""

    @property
    def shown(self) -> list[str]:
        """The images in the training set, in the order of their admission."""
        return [image for image in self.admitted if image not in self.masked]


IN_REFRESH = ("refresh", "admit", "refuse", "replace", "evict")
GOES_BACK = ("rollback", "restore")


def replay(ledger: Sequence[LedgerEntry], until: int | None = None) -> Standing:
    """What the lines of any bank's ledger amount to, up to line ``until`` (None: the last).

    Errors: ``memory.cannot-replay`` where the ledger contradicts itself, or does not say to which line it went back.
    """
    lines = [line for line in ledger if until is None or line.number <= until]
    targets = {_target(line) for line in lines if line.action in GOES_BACK}
    now, kept = Standing(), {0: Standing()}
    refreshing = False
    for line in lines:
        if line.action in GOES_BACK:
            now = kept.get(_target(line)) or _contradicts(line, "it goes back to a line that is not there")
        elif line.action in ("mask", "unmask"):
            now = replace(now, masked=_by_hand(now, line))
        elif line.action in IN_REFRESH:
            if not refreshing or line.action == "refresh" or now.refreshes[-1][1] != line.step:
                now = replace(now, refreshes=(*now.refreshes, (line.number, line.step)))
            now = _refreshed(now, line)
        refreshing = line.action in IN_REFRESH
        if line.number in targets:
            kept[line.number] = now
    return now


def _target(line: LedgerEntry) -> int:
    to = line.detail.get("to")
    return to if isinstance(to, int) else _contradicts(line, "it does not say to which line it went back")


def _refreshed(now: Standing, line: LedgerEntry) -> Standing:
    held = line.image in now.admitted
    if line.action == "admit":
        admitted = _contradicts(line, "this image is held already") if held else dict(now.admitted)
        return replace(now, admitted={**admitted, line.image: line})
    if line.action != "evict":
        return now
    if not held:
        _contradicts(line, "this image is not held")
    rest = {image: admitted for image, admitted in now.admitted.items() if image != line.image}
    return replace(now, admitted=rest, masked=now.masked - {line.image})


def _by_hand(now: Standing, line: LedgerEntry) -> frozenset[str]:
    if line.image not in now.admitted:
        _contradicts(line, "this image is not held")
    return now.masked | {line.image} if line.action == "mask" else now.masked - {line.image}


def _contradicts(line: LedgerEntry, what: str) -> NoReturn:
    raise EmosymError(
        "memory.cannot-replay",
        f"ledger line {line.number} ({line.action} {line.image}): {what}",
        hint="the bank was changed by another program, or its plugin writes another kind of ledger",
    )


class MemoryBank(Component[ConfigT]):
    """Keeps generated images that replace a fraction of the training set, or join it; scoring belongs to the stage,
    policy to the bank, and so does α, the largest share of the labelled originals that may be replaced (of all
    originals that may be added, where the bank ``adds``): a parameter of the bank's config (``fraction`` of emosym's
    own, 0.1), which nobody else reads. Originals are masked, never deleted. A bank with the capability ``durable`` outlives the process: opened again on the same place it has its images, its ledger and its snapshots."""

    @property
    def adds(self) -> bool:
        """Whether admitted images join the originals and mask none. The originals may then be few labelled ones among many
        without a label, and all of them are counted."""
        return False

    @abstractmethod
    def refresh(
        self, step: int, candidates: Sequence[Candidate], confidences: Mapping[str, float]
    ) -> Refresh:
        """Admit some candidates and, unless the bank ``adds``, mask as many originals. ``confidences`` maps labelled originals'
        ids to the current model's probability of their label, where it is known: the lowest go first, at most a fraction α
        of all labelled originals. One whose confidence is not known stays, as unlabelled ones always do. An image that
        takes an older one's place takes over the original which that masked. A candidate whose picture is ``flagged`` is
        black, and refused.

        Whole or not at all: where it raises, for a confidence of no original, a score that is no number, or
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

    def held(self) -> list[Sample]:
        """The admitted images that the view shows, as it shows them and in its order, without asking for the originals:
        ``emosym bank`` shows them where the data are not at hand. An optional service."""
        raise self._unserved("shows its images with the training set alone")

    def mask(self, image: str, reason: str) -> None:
        """Take an admitted image out of the training set by hand; the original that it stands for is back. The bank still
        holds it and its place. An image that is not held, or is masked already, is an error. An optional service."""
        raise self._unserved("cannot mask a single image")

    def unmask(self, image: str, reason: str) -> None:
        """Undo :meth:`mask`. An image that is not masked is an error. An optional service."""
        raise self._unserved("cannot mask a single image")

    def _unserved(self, what: str) -> EmosymError:
        name = self.context.component or type(self).__name__
        return EmosymError(
            "memory.unserved",
            f"bank {name} {what}",
            hint="its author may add that; see docs/reference/contracts.md",
        )

    @abstractmethod
    def close(self) -> None:
        """Release files and connections; using the bank afterwards is an error, closing it again is none."""
