"""Adding up what a stage computes, where what is on disk already is not computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emosym.contracts import Operations


@dataclass(frozen=True)
class Part:
    """Operations of one part of a stage. ``forward`` and ``backward`` are of one optimiser step whose pictures nothing is kept
    of, all of them together; ``total`` is of the whole stage. What is computed beside the steps has a total alone."""

    name: str
    forward: int = 0
    backward: int = 0
    total: int = 0


class Shelf:
    """What is kept of ``pictures`` of one sort, as a share of them; ``room`` is the share that fits the budget."""

    def __init__(self, pictures: int, room: float) -> None:
        self.pictures, self.room, self.filled = pictures, room, 0.0

    def misses(self, draws: int) -> float:
        """How many of so many draws, over all pictures in turn, are computed; what has room is kept from then on."""
        if not self.pictures:
            return draws
        first, had = min(draws, self.pictures), self.filled
        self.filled = min(self.room, had + (1 - had) * first / self.pictures)
        return first * (1 - had) + (draws - first) * (1 - self.filled)


class Ledger:
    """The parts of one stage, with the shelves (by kind and split) that it shares with the other stages."""

    def __init__(self, shelves: Mapping[tuple[str, str], Shelf]) -> None:
        self.shelves = shelves
        self.parts: dict[str, Part] = {}

    def steps(self, operations: Mapping[str, Operations], steps: int, pictures: int) -> None:
        """So many optimiser steps over ``pictures`` training pictures each."""
        for name, one in operations.items():
            self._add(Part(name, one.forward * pictures, one.backward * pictures))
        for name, total in self._totals(operations, steps * pictures, "train").items():
            self._add(Part(name, total=total))

    def beside(
        self, name: str, operations: Mapping[str, Operations], draws: int, split: str = "train"
    ) -> None:
        """As many passes over single pictures of a split (any other word: pictures that are new), as one part."""
        if draws and operations:
            self._add(Part(name, total=sum(self._totals(operations, draws, split).values())))

    def _totals(self, operations: Mapping[str, Operations], draws: int, split: str) -> dict[str, int]:
        kinds = {one.kept for one in operations.values()}
        shelves = {kind: self.shelves.get((kind, split)) for kind in sorted(kinds)}
        made = {kind: draws if shelf is None else shelf.misses(draws) for kind, shelf in shelves.items()}
        return {
            name: round(one.forward * made[one.kept] + one.backward * draws)
            for name, one in operations.items()
        }

    def _add(self, part: Part) -> None:
        old = self.parts.get(part.name, Part(part.name))
        self.parts[part.name] = Part(
            part.name, old.forward + part.forward, old.backward + part.backward, old.total + part.total
        )
