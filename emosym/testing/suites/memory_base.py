"""What memory banks are shown: originals, confidences, candidates, and a place of its own for each bank."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, overload

import numpy as np

from emosym.contracts import Candidate, Context, Generated, MemoryBank, Refresh, Sample
from emosym.testing.checks import require
from emosym.testing.generic import ComponentSuite
from emosym.testing.pictures import picture, samples

PER_CLASS, OFFERED, UNLABELLED = 20, 4, 6


class Torn(Sequence[Candidate]):
    """Candidates that break off half-way, as they do when the process is stopped or the disk fails."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._whole = candidates

    def __len__(self) -> int:
        return len(self._whole)

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Candidate]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice) or index >= len(self._whole) // 2:
            raise InterruptedError("broken off half-way")
        return self._whole[index]

    def __iter__(self) -> Iterator[Candidate]:
        return (self[index] for index in range(len(self)))


class BankBase(ComponentSuite):
    """What the checks of banks share."""

    kind = "memory"
    contract: ClassVar[type] = MemoryBank
    fraction: ClassVar[float] = 0.1
    """α of the bank with the suite's ``params``."""
    durable: ClassVar[bool | None] = None
    """Whether what is in the bank outlives the object; None: as its component's capabilities say."""

    def context(self) -> Context:
        """That of a run in a folder of its own: a bank whose files are there is not one that was made
        before."""
        return dataclasses.replace(super().context(), run=Path(tempfile.mkdtemp(dir=self.folder)))

    def build(self, changes: Mapping[str, Any], context: Context) -> Any:
        """A bank whose files are in ``context.run``, closed when the suite is done."""
        bank = super().build(changes, context)
        self.keep("opened", lambda: ExitStack()).callback(bank.close)
        return bank

    def is_durable(self) -> bool:
        """Whether a bank that is opened again holds what it held."""
        registered = self.spec is not None and "durable" in self.spec.capabilities
        return registered if self.durable is None else self.durable

    @property
    def originals(self) -> list[Sample]:
        """The training set; the unlabelled ones stand among the others."""
        return self.keep("originals", self._originals)

    def _originals(self) -> list[Sample]:
        classes = len(self.context().labels)
        every = samples(PER_CLASS * classes + UNLABELLED, labels=classes, sizes=((8, 8),))
        gap = len(every) // UNLABELLED
        return [
            dataclasses.replace(one, label=None) if i % gap == gap // 2 and i // gap < UNLABELLED else one
            for i, one in enumerate(every)
        ]

    @property
    def confidences(self) -> dict[str, float]:
        """The model's probability of each labelled original's label: all different, in no order."""
        labelled = [sample.id for sample in self.originals if sample.label is not None]
        order = np.random.default_rng(5).permutation(len(labelled))
        return {
            id: 0.1 + 0.8 * float(place) / len(labelled) for id, place in zip(labelled, order, strict=True)
        }

    def candidates(self, turn: int = 0) -> list[Candidate]:
        """Good images, far from each other, better at every ``turn``; no two turns share one."""
        classes = len(self.context().labels)
        chance = np.random.default_rng(turn)
        offered = []
        for i in range(OFFERED * classes):
            seed = 1000 * (turn + 1) + i
            made = Generated(picture(seed, (16, 16)), i % classes, seed, f"prompt {seed}", {"steps": 4})
            score = min(1.0, 0.8 + 0.03 * turn + 0.001 * i)
            features = tuple(chance.normal(size=16).tolist())
            offered.append(Candidate(made, {"model": score, "judge": score}, features, f"generator-{turn}"))
        return offered

    # ---- what checks do with a bank

    def started(self) -> Any:
        """A new bank that knows its originals."""
        bank = self.make()
        bank.view(self.originals)
        return bank

    def turn(self, bank: Any, turn: int = 0) -> Refresh:
        """A refresh with candidates of this turn; it must admit some."""
        done: Refresh = bank.refresh(turn + 1, self.candidates(turn), self.confidences)
        require(
            bool(done.admitted) or turn > 0, f"no image admitted of {len(self.candidates(turn))} good ones"
        )
        return done

    def ids(self, bank: Any) -> list[str]:
        """Ids of the present training set."""
        return [sample.id for sample in bank.view(self.originals)]

    def counted(self, bank: Any) -> int:
        """How many originals α is a share of."""
        return len(self.originals) if bank.adds else len(self.confidences)

    def masked(self, bank: Any) -> list[str]:
        """Ids of the originals that are not in the present training set."""
        there = set(self.ids(bank))
        return [sample.id for sample in self.originals if sample.id not in there]


def first_difference(seen: list[str], expected: list[str]) -> str:
    """Where two lists of ids part, in words."""
    place = next(
        (i for i, (a, b) in enumerate(zip(seen, expected, strict=False)) if a != b),
        min(len(seen), len(expected)),
    )
    return f"{len(seen)} samples for {len(expected)}, the first difference at place {place}"
