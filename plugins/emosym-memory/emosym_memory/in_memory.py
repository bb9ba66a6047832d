"""The Online Emotional Memory Bank (OEMB) in memory, for trials and tests; nothing on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emosym.contracts import Context, LedgerEntry
from emosym_memory.bank import Bank
from emosym_memory.candidates import Picture
from emosym_memory.config import InMemoryConfig
from emosym_memory.ledger import State
from emosym_memory.policy import Features


class InMemoryBank(Bank[InMemoryConfig]):
    """Keeps everything in this process; gone when it ends."""

    def __init__(self, config: InMemoryConfig, context: Context) -> None:
        super().__init__(config, context)
        self._history: list[LedgerEntry] = []
        self._stored: dict[str, Picture] = {}
        self._marks: dict[str, int] = {}

    def _store_originals(self, originals: Mapping[str, int | None]) -> None:
        """Nothing to keep beside what the base holds."""

    def _commit(self, lines: Sequence[LedgerEntry], pictures: Sequence[Picture], state: State) -> None:
        self._stored |= {picture.id: picture for picture in pictures}
        self._history += lines

    def _lines(self) -> list[LedgerEntry]:
        return list(self._history)

    def _pictures(self, ids: Sequence[str]) -> dict[str, bytes]:
        return {id: self._stored[id].png for id in ids}

    def _features(self, ids: Sequence[str]) -> dict[str, Features]:
        return {id: self._stored[id].features for id in ids if self._stored[id].features.size}

    def _store_snapshot(self, id: str, number: int) -> None:
        self._marks.setdefault(id, number)

    def _snapshots(self) -> dict[str, int]:
        return dict(self._marks)

    def _release(self) -> None:
        self._stored, self._history = {}, []
