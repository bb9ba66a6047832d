"""The Online Emotional Memory Bank (OEMB): what both storages share, from candidates to the ledger."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from emosym_registry import EmosymError
from emosym_registry.errors import some
from typing_extensions import TypeVar

from emosym.contracts import Candidate, Context, LedgerEntry, MemoryBank, Refresh, Sample
from emosym_memory.candidates import Described, Picture, describe
from emosym_memory.config import BankConfig
from emosym_memory.ledger import Held, State, advance, replay
from emosym_memory.policy import Decision, Features, Situation, decide

BankConfigT = TypeVar("BankConfigT", bound=BankConfig, default=BankConfig)


@dataclass(frozen=True)
class Contents:
    """What a storage gives back when it is opened; ``originals`` is None before the first view."""

    originals: dict[str, int | None] | None
    state: State
    next_number: int


class Bank(MemoryBank[BankConfigT]):
    """A memory bank whose storage a subclass provides.

    The first :meth:`view` fixes the originals (ids and labels); a later view of others is an error. Only
    labelled originals can be masked, and α counts them alone, unless images join. An admitted image that takes an older one's
    place also takes over the original which that one masked, so ``Refresh.replaced`` lists only originals
    that were unmasked before.
    """

    def __init__(self, config: BankConfigT, context: Context) -> None:
        super().__init__(config, context)
        self._closed = False
        self._originals: dict[str, int | None] | None = None
        self._given: Sequence[Sample] | None = None
        """The very originals that were looked at last."""
        self._state = State()
        self._next = 1

    # what a storage provides

    @abstractmethod
    def _store_originals(self, originals: Mapping[str, int | None]) -> None:
        """Keep the originals, in their order, for good."""

    @abstractmethod
    def _commit(self, lines: Sequence[LedgerEntry], pictures: Sequence[Picture], state: State) -> None:
        """Append ledger lines, store pictures and make ``state`` the live one: all of it or nothing."""

    @abstractmethod
    def _lines(self) -> list[LedgerEntry]:
        """The ledger."""

    @abstractmethod
    def _pictures(self, ids: Sequence[str]) -> dict[str, bytes]:
        """PNG bytes of stored images."""

    @abstractmethod
    def _features(self, ids: Sequence[str]) -> dict[str, Features]:
        """Features of stored images, without those that have none."""

    @abstractmethod
    def _store_snapshot(self, id: str, number: int) -> None:
        """Remember that ``id`` is the state after ledger line ``number``; twice changes nothing."""

    @abstractmethod
    def _snapshots(self) -> dict[str, int]:
        """Snapshot id → ledger number, oldest first."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of files and connections."""

    def _opened(self, contents: Contents) -> None:
        """Start from what the storage holds."""
        self._originals, self._state, self._next = contents.originals, contents.state, contents.next_number

    # the contract

    def refresh(
        self, step: int, candidates: Sequence[Candidate], confidences: Mapping[str, float]
    ) -> Refresh:
        self._usable()
        originals = self._known_originals()
        self._check_confidences(originals, confidences)
        described = [describe(one, index, self.context.labels) for index, one in enumerate(candidates)]
        situation = Situation(
            self.config,
            originals,
            confidences,
            self._state,
            self._features([one.id for one in self._state.held]),
            self.context.labels.names,
        )
        decisions = decide(situation, [one.candidate for one in described])
        admitted = [one for one in decisions if one.admitted]
        lines = list(self._refresh_lines(step, decisions, described))
        self._append(lines, [described[one.candidate.index].picture for one in admitted])
        size = len(self._state.shown)
        return Refresh(
            step=step,
            admitted=[one.candidate.id for one in admitted],
            replaced=[one.replaced for one in admitted if one.replaced is not None and one.evicts is None],
            refused=[(one.candidate.id, one.reason) for one in decisions if not one.admitted],
            size=size,
            fraction=size / max(situation.counted, 1),
        )

    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        self._usable()
        self._learn_originals(originals)
        masked = self._state.masked
        return [sample for sample in originals if sample.id not in masked] + self.held()

    @property
    def adds(self) -> bool:
        return self.config.mode == "add"

    def held(self) -> list[Sample]:
        self._usable()
        shown = self._state.shown
        pictures = self._pictures([one.id for one in shown])
        return [self._sample(one, pictures[one.id]) for one in shown]

    def mask(self, image: str, reason: str) -> None:
        self._by_hand("mask", image, reason)

    def unmask(self, image: str, reason: str) -> None:
        self._by_hand("unmask", image, reason)

    def ledger(self) -> list[LedgerEntry]:
        self._usable()
        return self._lines()

    def state(self) -> State:
        """What is in the bank now: admitted images and the originals they mask."""
        self._usable()
        return self._state

    def snapshot(self) -> str:
        self._usable()
        number = self._next - 1
        id = f"snapshot-{number:06d}"
        self._store_snapshot(id, number)
        return id

    def restore(self, snapshot: str) -> None:
        self._usable()
        known = self._snapshots()
        if snapshot not in known:
            raise EmosymError(
                "memory.unknown-snapshot",
                f"the bank has no snapshot {snapshot!r}",
                hint=f"snapshots: {', '.join(known) or 'none; a bank in memory goes with its process'}",
            )
        if known[snapshot] != self._next - 1:  # else nothing has happened since
            self._return("restore", known[snapshot], f"restored {snapshot}", {"snapshot": snapshot})

    def rollback(self, reason: str) -> None:
        self._usable()
        if not self._state.refreshes:
            raise EmosymError(
                "memory.nothing-to-roll-back",
                "no refresh is in effect, there is nothing to roll back",
                hint="refresh first",
            )
        last = self._state.refreshes[-1]
        self._return("rollback", last - 1, reason, {"refresh": last})

    def reset(self) -> None:
        self._usable()
        if self._state.held or self._state.refreshes:
            self._return("restore", 0, "the stage begins anew", {})

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._release()

    # details

    def _usable(self) -> None:
        if self._closed:
            raise EmosymError(
                "memory.closed", "the memory bank is closed", hint="open a new one on the same url", ours=True
            )

    def _learn_originals(self, samples: Sequence[Sample]) -> None:
        if samples is self._given:
            return
        given = {sample.id: sample.label for sample in samples}
        if len(given) != len(samples) or any(sample.generated for sample in samples):
            raise EmosymError(
                "memory.bad-originals",
                "the originals given to the bank have an id twice or are generated images themselves",
                hint="pass the dataset's own training split",
            )
        if self._originals is None:
            self._store_originals(given)
            self._originals = given
        elif self._originals != given:
            raise EmosymError(
                "memory.other-originals",
                f"the bank was made for other originals: {_difference(self._originals, given)}",
                hint="use the same data, or a new run folder or memory url",
            )
        self._given = samples

    def _known_originals(self) -> dict[str, int | None]:
        if self._originals is None:
            raise EmosymError(
                "memory.no-originals",
                "the bank does not know the originals yet",
                hint="call view(originals) before the first refresh",
                ours=True,
            )
        return self._originals

    def _check_confidences(
        self, originals: Mapping[str, int | None], confidences: Mapping[str, float]
    ) -> None:
        unknown = [id for id in confidences if id not in originals]
        bad = [id for id, value in confidences.items() if not 0 <= value <= 1]
        for ids, what in (
            (unknown, "are no originals"),
            (bad, "are not within [0, 1]"),
        ):
            if ids:
                raise EmosymError(
                    "memory.bad-confidences",
                    f"confidences of {some(ids)} {what}",
                    hint="give the probability of its label for each labelled original of which it is known, and nothing else",
                    ours=True,
                )

    def _refresh_lines(
        self, step: int, decisions: Sequence[Decision], described: Sequence[Described]
    ) -> Iterator[LedgerEntry]:
        numbers = count(self._next)
        ordinal = len(self._state.refreshes) + 1
        originals, labels = self._known_originals(), {one.id: one.label for one in self._state.held}
        yield LedgerEntry(
            next(numbers), step, "refresh", "", -1, f"{len(decisions)} candidates", {"refresh": ordinal}
        )
        for one in decisions:
            id, label = one.candidate.id, one.candidate.label
            detail = {**described[one.candidate.index].provenance, "score": one.score}
            if not one.admitted:
                yield LedgerEntry(next(numbers), step, "refuse", id, label, one.reason, detail)
                continue
            action, gone = ("replace", one.replaced) if one.evicts is None else ("evict", one.evicts)
            if gone is not None:
                old = originals[gone] if action == "replace" else labels[gone]
                gone_label = -1 if old is None else old
                yield LedgerEntry(next(numbers), step, action, gone, gone_label, one.why_replaced, {"by": id})
            detail |= {"replaced": one.replaced, "refresh": ordinal}
            yield LedgerEntry(next(numbers), step, "admit", id, label, one.reason, detail)

    def _append(self, lines: Sequence[LedgerEntry], pictures: Sequence[Picture] = ()) -> None:
        goes_back = any(line.action in ("rollback", "restore") for line in lines)
        state = advance(self._state, lines, past=self._lines() if goes_back else ())
        self._commit(lines, pictures, state)
        self._state, self._next = state, self._next + len(lines)

    def _by_hand(self, action: str, image: str, reason: str) -> None:
        self._usable()
        one = next((one for one in self._state.held if one.id == image), None)
        hidden = image in self._state.hidden
        if one is None:
            what, hint = "is not in the bank", some([held.id for held in self._state.held]) or "nothing is"
            raise EmosymError("memory.not-held", f"image {image!r} {what}", hint=f"in it: {hint}")
        if hidden is (action == "mask"):
            what = "is masked already" if hidden else "is not masked"
            raise EmosymError("memory.nothing-to-do", f"image {image!r} {what}")
        self._append([LedgerEntry(self._next, self._step(), action, image, one.label, reason)])

    def _step(self) -> int:
        """The step of the last line."""
        lines = self._lines()
        return lines[-1].step if lines else 0

    def _return(self, action: str, to: int, reason: str, detail: Mapping[str, Any]) -> None:
        self._append([LedgerEntry(self._next, self._step(), action, "", -1, reason, {**detail, "to": to})])

    def _sample(self, one: Held, png: bytes) -> Sample:
        generated = {
            key: one.detail[key] for key in ("seed", "prompt", "generator", "settings", "scores", "score")
        }
        generated |= {"step": one.step, "age": len(self._state.refreshes) - one.refresh}
        attributes = {**one.detail["attributes"], "generated": generated}
        return Sample(one.id, (png,), one.label, attributes, generated=True)


@contextmanager
def opening(bank: Bank[Any]) -> Iterator[None]:
    """Release what a bank has taken when its opening fails."""
    try:
        yield
    except BaseException:
        bank.close()
        raise


def check_live(state: State, ledger: Sequence[LedgerEntry]) -> None:
    """Refuse a storage whose live state is not what its ledger amounts to."""
    if replay(ledger) != state:
        raise EmosymError(
            "memory.damaged",
            "the bank's images are not what its ledger says",
            hint="it was changed by another program: restore a copy, or start the run again in a new folder",
        )


def _difference(old: Mapping[str, int | None], new: Mapping[str, int | None]) -> str:
    gone, added = [id for id in old if id not in new], [id for id in new if id not in old]
    moved = [id for id in new if id in old and old[id] != new[id]]
    parts = [(gone, "gone"), (added, "new"), (moved, "with another label")]
    return "; ".join(f"{len(ids)} {what} ({some(ids)})" for ids, what in parts if ids)
