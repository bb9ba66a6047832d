"""Datasets whose splits are read one by one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from emosym_registry.errors import unknown

from emosym.contracts import SPLITS, ConfigT, Context, Dataset, Sample

MEND = "mend these, then run: emosym data check"


class SplitDataset(Dataset[ConfigT]):
    """Reads each split once, when it is first asked for."""

    def __init__(self, config: ConfigT, context: Context) -> None:
        super().__init__(config, context)
        self._splits: dict[str, Sequence[Sample]] = {}

    def split(self, name: str) -> Sequence[Sample]:
        if name not in SPLITS:
            raise unknown("data.no-split", "split", name, SPLITS, where=self.context.component)
        if name not in self._splits:
            self._splits[name] = self._read(name)
        return self._splits[name]

    @abstractmethod
    def _read(self, name: str) -> Sequence[Sample]:
        """The samples of train, val or test; what cannot be used is an error that lists all findings."""
