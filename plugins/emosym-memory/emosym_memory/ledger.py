"""The bank's history and the state it amounts to: the ledger is the truth, all else follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from emosym_registry import EmosymError

from emosym.contracts import LedgerEntry

ACTIONS = ("refresh", "replace", "evict", "admit", "refuse", "rollback", "restore")
"""``refresh`` opens a refresh, ``replace`` masks an original, ``evict`` drops an image for a newer one."""


@dataclass(frozen=True)
class Held:
    """An image the bank holds: the ledger line that admitted it. ``detail`` has ``score``, ``scores``,
    ``replaced`` (the original it masks), ``refresh`` (which one admitted it, from 1), ``seed``, ``prompt``,
    ``generator``, ``settings``, ``attributes``."""

    id: str
    label: int
    number: int
    step: int
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> float:
        return float(self.detail["score"])

    @property
    def replaced(self) -> str:
        return str(self.detail["replaced"])

    @property
    def refresh(self) -> int:
        return int(self.detail["refresh"])


@dataclass(frozen=True)
class State:
    """What is in the bank: images in order of admission, and ledger numbers of refreshes in effect."""

    held: tuple[Held, ...] = ()
    refreshes: tuple[int, ...] = ()

    @property
    def masked(self) -> dict[str, str]:
        """Masked original → the admitted image that stands in for it."""
        return {one.replaced: one.id for one in self.held}


def replay(ledger: Sequence[LedgerEntry], until: int | None = None) -> State:
    """The state after line ``until`` (None: the last). A ledger that contradicts itself is an error."""
    lines = [line for line in ledger if until is None or line.number <= until]
    return advance(State(), lines, past=lines)


def advance(state: State, lines: Iterable[LedgerEntry], past: Sequence[LedgerEntry]) -> State:
    """``state`` after ``lines``; ``past`` are all lines known, to which roll-backs and restores return."""
    held = {one.id: one for one in state.held}
    masked = set(state.masked)
    refreshes = list(state.refreshes)
    for line in lines:
        if line.action == "refresh":
            refreshes.append(line.number)
        elif line.action == "replace":
            _expect(line.image not in masked, line, "this original is masked already")
            masked.add(line.image)
        elif line.action == "evict":
            _expect(line.image in held, line, "this image is not in the bank")
            del held[line.image]
        elif line.action == "admit":
            one = Held(line.image, line.label, line.number, line.step, line.detail)
            _expect(line.image not in held, line, "this image is in the bank already")
            _expect(one.replaced in masked, line, f"the original {one.replaced} is not masked")
            held[line.image] = one
        elif line.action in ("rollback", "restore"):
            back = replay(past, until=int(line.detail["to"]))
            held = {one.id: one for one in back.held}
            masked, refreshes = set(back.masked), list(back.refreshes)
        else:
            _expect(line.action in ACTIONS, line, f"unknown action {line.action!r}")
    result = replace(state, held=tuple(held.values()), refreshes=tuple(refreshes))
    if set(result.masked) != masked:
        raise EmosymError(
            "memory.bad-ledger", "the ledger masks originals that no admitted image stands in for", hint=_HINT
        )
    return result


_HINT = "the bank was changed by another program; restore a copy, or start the run again in a new folder"


def _expect(sound: bool, line: LedgerEntry, what: str) -> None:
    if not sound:
        raise EmosymError(
            "memory.bad-ledger", f"ledger line {line.number} ({line.action} {line.image}): {what}", hint=_HINT
        )
