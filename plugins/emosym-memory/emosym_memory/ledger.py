"""The bank's history and the state it amounts to: the ledger is the truth, all else follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emosym_registry import EmosymError

from emosym.contracts import LedgerEntry

ACTIONS = ("refresh", "replace", "evict", "admit", "refuse", "rollback", "restore", "mask", "unmask")
"""``refresh`` opens a refresh, ``replace`` masks an original, ``evict`` drops an image for a newer one, ``mask`` hides one."""
BACK = ("rollback", "restore")


@dataclass(frozen=True)
class Held:
    """An image the bank holds: the ledger line that admitted it. ``detail`` has ``score``, ``scores``,
    ``replaced`` (the original it masks, None where it joined), ``refresh`` (which one admitted it, from 1), ``seed``, ``prompt``,
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
    def replaced(self) -> str | None:
        replaced: str | None = self.detail["replaced"]
        return replaced

    @property
    def refresh(self) -> int:
        return int(self.detail["refresh"])


@dataclass(frozen=True)
class State:
    """What is in the bank: images in order of admission, those of them that are masked by hand, and ledger numbers of
    refreshes in effect."""

    held: tuple[Held, ...] = ()
    refreshes: tuple[int, ...] = ()
    hidden: frozenset[str] = frozenset()

    @property
    def shown(self) -> tuple[Held, ...]:
        """Images in the training set."""
        return tuple(one for one in self.held if one.id not in self.hidden)

    @property
    def masked(self) -> dict[str, str]:
        """Masked original → the image that stands in for it in the training set."""
        return {one.replaced: one.id for one in self.shown if one.replaced is not None}

    @property
    def reserved(self) -> set[str]:
        """Originals that an image stands in for, those of images that are masked by hand included."""
        return {one.replaced for one in self.held if one.replaced is not None}


def replay(ledger: Sequence[LedgerEntry], until: int | None = None) -> State:
    """The state after line ``until`` (None: the last). A ledger that contradicts itself is an error."""
    lines = [line for line in ledger if until is None or line.number <= until]
    returns = {int(line.detail["to"]) for line in lines if line.action in BACK}
    now, kept = _Now(State()), {0: State()}
    for line in lines:
        now = _Now(kept[int(line.detail["to"])]) if line.action in BACK else now.after(line)
        if line.number in returns:
            kept[line.number] = now.state()
    return now.state()


def advance(state: State, lines: Iterable[LedgerEntry], past: Sequence[LedgerEntry]) -> State:
    """``state`` after ``lines``; ``past`` are all lines known, to which roll-backs and restores return."""
    now = _Now(state)
    for line in lines:
        now = _Now(replay(past, until=int(line.detail["to"]))) if line.action in BACK else now.after(line)
    return now.state()


class _Now:
    """A state while lines are applied to it."""

    def __init__(self, state: State) -> None:
        self.held = {one.id: one for one in state.held}
        self.reserved = state.reserved
        self.hidden = set(state.hidden)
        self.refreshes = list(state.refreshes)

    def after(self, line: LedgerEntry) -> _Now:
        """The same, changed by a line that goes forward."""
        match line.action:
            case "refresh":
                self.refreshes.append(line.number)
            case "replace":
                _expect(line.image not in self.reserved, line, "this original is masked already")
                self.reserved.add(line.image)
            case "evict":
                _expect(line.image in self.held, line, "this image is not in the bank")
                del self.held[line.image]
            case "admit":
                one = Held(line.image, line.label, line.number, line.step, line.detail)
                _expect(line.image not in self.held, line, "this image is in the bank already")
                masks = one.replaced is None or one.replaced in self.reserved
                _expect(masks, line, f"the original {one.replaced} is not masked")
                self.held[line.image] = one
            case "mask":
                _expect(line.image in self.held, line, "this image is not in the bank")
                self.hidden.add(line.image)
            case "unmask":
                _expect(line.image in self.hidden, line, "this image is not masked")
                self.hidden.remove(line.image)
            case _:
                _expect(line.action in ACTIONS, line, f"unknown action {line.action!r}")
        return self

    def state(self) -> State:
        """What it amounts to."""
        state = State(tuple(self.held.values()), tuple(self.refreshes), frozenset(self.hidden))
        if state.reserved != self.reserved:
            raise EmosymError(
                "memory.bad-ledger",
                "the ledger masks originals that no admitted image stands in for",
                hint=_HINT,
            )
        return state


_HINT = "the bank was changed by another program; restore a copy, or start the run again in a new folder"


def _expect(sound: bool, line: LedgerEntry, what: str) -> None:
    if not sound:
        raise EmosymError(
            "memory.bad-ledger", f"ledger line {line.number} ({line.action} {line.image}): {what}", hint=_HINT
        )
