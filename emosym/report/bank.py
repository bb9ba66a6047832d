"""What a report says of the memory bank: how it grew, with its pictures, and why pictures were refused."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from emosym_registry import EmosymError

from emosym.contracts.memory import LedgerEntry, replay
from emosym.report.files import read_json
from emosym.report.numbers import NOTHING
from emosym.report.tables import Table
from emosym.toolkit import read_json_lines

NUMBER = re.compile(r"\d+(?:\.\d+)?")
REASONS = 8
"""Reasons of refusals that are shown at most, the commonest."""
SHOWN = {"admit": "admitted", "refuse": "refused", "replace": "originals masked", "evict": "gave way"}
"""Actions of a refresh as the page calls them."""


class Admitted(NamedTuple):
    """What a refresh let in, and is still there."""

    step: int
    pictures: Sequence[tuple[str, str, str]]
    """Picture, emotion, and both and its score in words."""
    some: str
    """How many of all that are there these are; empty where it is all."""


class Bank(NamedTuple):
    """A bank's history."""

    table: Table
    """A row a refresh."""
    pictures: Sequence[Admitted]
    refusals: Sequence[tuple[int, str]]
    """How many, and why; see :func:`plainly`."""
    by_hand: Sequence[str]
    """What was undone or changed beside the refreshes, in words."""


def bank_history(folder: Path, names: Sequence[str]) -> Bank | None:
    """The history in a run folder whose emotions are ``names``; None where there is no ledger, or nothing in it.

    Errors: ``report.damaged``.
    """
    lines = _ledger(folder / "ledger.jsonl")
    if not lines:
        return None
    kept: Mapping[str, str] = read_json(folder / "sheets" / "bank.json") or {}
    shown: dict[int, list[tuple[str, str, str]]] = {}
    for line in lines:
        if line.action == "admit" and line.image in kept:
            name = names[line.label] if 0 <= line.label < len(names) else "a picture"
            shown.setdefault(line.step, []).append((kept[line.image], name, f"{name}: {line.reason}"))
    held = Counter(line.step for line in _held(lines) or ())
    return Bank(
        _growth(lines),
        [
            Admitted(step, own, f"{len(own)} of {held[step]}" if len(own) < held[step] else "")
            for step, own in sorted(shown.items())
        ],
        plainly((line.reason for line in lines if line.action == "refuse"), names)[:REASONS],
        [
            f"{line.action} at step {line.step}: {line.reason}"
            for line in lines
            if line.action in ("rollback", "restore", "mask", "unmask")
        ],
    )


def _ledger(path: Path) -> list[LedgerEntry]:
    """The lines of a ledger; what another version of emosym has in them beside is left out."""
    known = [field.name for field in dataclasses.fields(LedgerEntry)]
    try:
        return [
            LedgerEntry(**{name: line[name] for name in known if name in line})
            for line in read_json_lines(path)
        ]
    except TypeError as error:
        raise EmosymError(
            "report.damaged",
            f"{path}: a line in it is none of a ledger: {error}",
            hint="restore it, or put it aside: the report leaves out what is not there",
        ) from error


def _growth(lines: Sequence[LedgerEntry]) -> Table:
    counts: dict[int, Counter[str]] = {}
    last: dict[int, int] = {}
    for line in lines:
        counts.setdefault(line.step, Counter())[line.action] += 1
        last[line.step] = max(line.number, last.get(line.step, 0))
    there = [action for action in SHOWN if any(one[action] for one in counts.values())]
    rows = [
        (f"{step:,}", *(f"{counts[step][action]:,}" for action in there), _count(_held(lines, last[step])))
        for step in sorted(counts)
    ]
    return Table(("step", *(SHOWN[action] for action in there), "in the bank"), rows)


def _held(lines: Sequence[LedgerEntry], until: int | None = None) -> list[LedgerEntry] | None:
    """The pictures that the training set has of the bank's after a line; None where the ledger does not say."""
    try:
        standing = replay(lines, until)
    except EmosymError:  # of a bank that writes another kind of ledger
        return None
    return [standing.admitted[image] for image in standing.shown]


def _count(held: Sequence[LedgerEntry] | None) -> str:
    return NOTHING if held is None else f"{len(held):,}"


def plainly(reasons: Iterable[str], names: Sequence[str] = ()) -> list[tuple[int, str]]:
    """Reasons in words, the commonest first: those that differ by numbers alone are one, with the numbers' range; ids of
    pictures are "another picture", and emotions (``names``) "its emotion"."""
    numbers: dict[tuple[str, ...], list[list[str]]] = {}
    for reason in reasons:
        said = _general(reason, names)
        numbers.setdefault(tuple(NUMBER.split(said)), []).append(NUMBER.findall(said))
    told = []
    for words, found in numbers.items():
        ranges = map(_range, zip(*found, strict=True))
        sentence = words[0] + "".join(number + rest for number, rest in zip(ranges, words[1:], strict=True))
        told.append((len(found), sentence))
    return sorted(told, key=lambda one: (-one[0], one[1]))


def _general(reason: str, names: Sequence[str]) -> str:
    words = []
    for word in reason.split():
        bare = word.rstrip(".,:;")
        if bare in names:
            word = word.replace(bare, "its emotion")
        elif any(c.isdigit() for c in bare) and not NUMBER.fullmatch(bare):
            word = word.replace(bare, "another picture")
        words.append(word)
    return " ".join(words)


def _range(numbers: Iterable[str]) -> str:
    """A number that is always the same, or from which to which it goes."""
    ordered = sorted(map(float, numbers))
    low, high = (f"{end:.3g}" for end in (ordered[0], ordered[-1]))
    return low if low == high else f"{low} to {high}"
