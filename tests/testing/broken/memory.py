"""A correct bank, and one broken bank for each check. The correct one is the first-party bank in a
database."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

from emosym_memory.config import InMemoryConfig, SqlConfig
from emosym_memory.in_memory import InMemoryBank
from emosym_memory.sql import SqlBank
from emosym_registry import EmosymError

from emosym.contracts import Candidate, Context, LedgerEntry, Refresh, Sample
from emosym.testing import MemorySuite


class Eager(InMemoryBank):
    """Makes room before anything was offered."""

    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        return super().view(originals)[1:]


class ImagesFirst(InMemoryBank):
    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        return sorted(super().view(originals), key=lambda sample: not sample.generated)


class Shrinking(InMemoryBank):
    """Shows every original that was ever replaced as masked, though its image has gone."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.gone: set[str] = set()

    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        view = super().view(originals)
        return [sample for sample in view if sample.id not in self.gone]

    def refresh(self, *given: Any) -> Refresh:
        done = super().refresh(*given)
        self.gone.update(line.image for line in self.ledger() if line.action == "evict")
        self.gone.update(id for id in self._confidence_order(given[2])[: len(self.gone)])
        return done

    @staticmethod
    def _confidence_order(confidences: Mapping[str, float]) -> list[str]:
        return sorted(confidences, key=lambda id: -confidences[id])


class Boasting(InMemoryBank):
    def refresh(self, *given: Any) -> Refresh:
        done = super().refresh(*given)
        return dataclasses.replace(done, size=done.size + 1)


class Silent(InMemoryBank):
    def refresh(self, *given: Any) -> Refresh:
        return dataclasses.replace(super().refresh(*given), refused=[])


class Unseeing(InMemoryBank):
    """Takes black pictures for good ones."""

    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        shown = [
            dataclasses.replace(one, generated=dataclasses.replace(one.generated, flagged=False))
            for one in offered
        ]
        return super().refresh(step, shown, confidences)


class Greedy(InMemoryBank):
    """Takes twice the share that it is told."""

    def __init__(self, config: InMemoryConfig, context: Any) -> None:
        super().__init__(config.model_copy(update={"fraction": 2 * config.fraction}), context)


class Indifferent(InMemoryBank):
    """Takes samples without a label for ones of the first emotion and no confidence."""

    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        named = [dataclasses.replace(one, label=0) if one.label is None else one for one in originals]
        by_id = {one.id: one for one in originals}
        return [by_id.get(one.id, one) for one in super().view(named)]

    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        return super().refresh(step, offered, {**dict.fromkeys(self._known_originals(), 0.0), **confidences})


class UpsideDown(InMemoryBank):
    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        return super().refresh(step, offered, {id: 1 - value for id, value in confidences.items()})


class Drawing(InMemoryBank):
    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        lots = [dataclasses.replace(one, scores={"model": random.uniform(0.6, 1)}) for one in offered]
        return super().refresh(step, lots, confidences)


class Mislabelling(InMemoryBank):
    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        return [
            dataclasses.replace(one, label=0) if one.generated else one for one in super().view(originals)
        ]


class Unmarked(InMemoryBank):
    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        return [dataclasses.replace(one, generated=False) for one in super().view(originals)]


class Impatient(InMemoryBank):
    """Gives up the last refresh when nothing good is offered."""

    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        if not offered:
            self.rollback("nothing was offered")
        return super().refresh(step, offered, confidences)


class Guessing(InMemoryBank):
    """Takes a confidence that nobody gave for a middling one."""

    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        return super().refresh(step, offered, {**dict.fromkeys(self._known_originals(), 0.5), **confidences})


class Careless(InMemoryBank):
    """Looks away from confidences of what it does not know."""

    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        known = {id: value for id, value in confidences.items() if id in self._known_originals()}
        return super().refresh(step, offered, known)


class Blind(InMemoryBank):
    """Starts from the confidences instead of the originals."""

    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        if self._originals is None:
            self._originals = dict.fromkeys(confidences, 0)
        return super().refresh(step, offered, confidences)


class NeverClosed(InMemoryBank):
    def close(self) -> None:
        """Stays open."""


class DoubleEntry(InMemoryBank):
    def ledger(self) -> list[LedgerEntry]:
        return [line for line in super().ledger() for _ in range(2 if line.action == "replace" else 1)]


class Rewriting(InMemoryBank):
    """Leaves what was rolled back out of its history."""

    def ledger(self) -> list[LedgerEntry]:
        lines = super().ledger()
        undone = {line.detail["refresh"] for line in lines if line.action == "rollback"}
        return [line for line in lines if line.number not in undone]


class Forgetful(InMemoryBank):
    def ledger(self) -> list[LedgerEntry]:
        return [dataclasses.replace(line, detail={**line.detail, "seed": 0}) for line in super().ledger()]


class Radical(InMemoryBank):
    """Rolls back to the beginning."""

    def rollback(self, reason: str) -> None:
        super().rollback(reason)
        while self.state().refreshes:
            super().rollback(reason)


class LatestOnly(InMemoryBank):
    """Has one snapshot, the last."""

    def restore(self, snapshot: str) -> None:
        super().restore(list(self._snapshots())[-1])


class Deleting(InMemoryBank):
    """Loses what it once masked."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.lost: set[str] = set()

    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        self.lost.update(self.state().masked)
        return [sample for sample in super().view(originals) if sample.id not in self.lost]


class OneByOne(InMemoryBank):
    """Every candidate is a refresh of its own."""

    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        for one in offered:
            done = super().refresh(step, [one], confidences)
        return done


class Volatile(InMemoryBank):
    """Says that it is durable."""


class Wordy(InMemoryBank):
    """Has words of its own for what it does."""

    def ledger(self) -> list[LedgerEntry]:
        return [dataclasses.replace(line, action=f"bank-{line.action}") for line in super().ledger()]


class NamesOnce(InMemoryBank):
    """Never gives an id again that it once gave, though its image has gone."""

    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        taken = {line.image for line in super().ledger() if line.action == "admit"}
        done = super().refresh(step, offered, confidences)
        return dataclasses.replace(done, admitted=[f"{id}-2" if id in taken else id for id in done.admitted])


class Unrepeatable(InMemoryBank):
    """Refuses a step that it has seen."""

    def refresh(self, step: int, offered: Sequence[Candidate], confidences: Mapping[str, float]) -> Refresh:
        if step in {line.step for line in self.ledger() if line.action == "refresh"}:
            raise EmosymError("memory.step-twice", f"step {step} was refreshed before")
        return super().refresh(step, offered, confidences)


class Sticky(InMemoryBank):
    def reset(self) -> None:
        """Everything stays."""


class Vague(InMemoryBank):
    """Does not say to which line it went back."""

    def ledger(self) -> list[LedgerEntry]:
        return [
            dataclasses.replace(line, detail=line.detail if line.action == "admit" else {})
            for line in super().ledger()
        ]


class Reversed(InMemoryBank):
    """Shows its images in another order than the view."""

    def held(self) -> list[Sample]:
        return super().held()[::-1]

    def view(self, originals: Sequence[Sample]) -> list[Sample]:
        view = super().view(originals)
        originals_kept = [sample for sample in view if not sample.generated]
        return originals_kept + super().held()


class Deaf(InMemoryBank):
    def mask(self, image: str, reason: str) -> None:
        """Everything stays."""


class AnyRun(SqlBank):
    def __init__(self, config: SqlConfig, context: Context) -> None:
        super().__init__(config, dataclasses.replace(context, run_id=""))


def suite(bank: type[Any], **parts: Any) -> type[MemorySuite]:
    """The suite of one bank."""
    config = SqlConfig if issubclass(bank, SqlBank) else InMemoryConfig
    return type(bank.__name__, (MemorySuite,), {"implementation": bank, "config": config, **parts})


GOOD = suite(SqlBank, durable=True)
BROKEN = {
    "memory.first-view": suite(Eager),
    "memory.view": suite(ImagesFirst),
    "memory.same-size": suite(Shrinking),
    "memory.record": suite(Boasting),
    "memory.answers-all": suite(Silent),
    "memory.flagged": suite(Unseeing),
    "memory.fraction": suite(Greedy),
    "memory.unlabelled-stay": suite(Indifferent),
    "memory.least-confident": suite(UpsideDown),
    "memory.deterministic": suite(Drawing),
    "memory.images": suite(Mislabelling),
    "memory.marks-generated": suite(Unmarked),
    "memory.no-candidates": suite(Impatient),
    "memory.confidences": suite(Guessing),
    "memory.foreign-confidences": suite(Careless),
    "memory.knows-originals": suite(Blind),
    "memory.closed": suite(NeverClosed),
    "memory.ledger": suite(DoubleEntry),
    "memory.ledger-grows": suite(Rewriting),
    "memory.ledger-detail": suite(Forgetful),
    "memory.rollback": suite(Radical),
    "memory.snapshot": suite(LatestOnly),
    "memory.replay": suite(NamesOnce),
    "memory.originals-return": suite(Deleting),
    "memory.whole-or-nothing": suite(OneByOne),
    "memory.durable": suite(Volatile, durable=True),
    "memory.reset": suite(Sticky),
    "memory.replayed": suite(Vague),
    "memory.held": suite(Reversed),
    "memory.by-hand": suite(Deaf),
    "memory.other-run": suite(AnyRun, durable=True),
}
ALSO_BROKEN = (
    ("memory.replay", suite(Unrepeatable)),
    ("memory.ledger", suite(Wordy)),
    ("memory.ledger-grows", suite(Wordy)),
)
