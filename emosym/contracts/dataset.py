"""Dataset: labelled images in three splits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.sample import Sample

SPLITS = ("train", "val", "test")


class Dataset(Component[ConfigT]):
    """Labelled images in three splits."""

    @abstractmethod
    def split(self, name: str) -> Sequence[Sample]:
        """Samples of ``train``, ``val`` or ``test``, in a stable order, labels in the run's label set."""

    @abstractmethod
    def problems(self) -> list[str]:
        """Everything wrong with the files (``file: what; what to do``), empty when they are sound. Never raises."""

    def facts(self) -> Mapping[str, Any]:
        """What is known of the data as a whole, such as ``bayes_accuracy``, ``licence`` and ``sha256``; kept in the run's
        summary. ``bayes_accuracy`` is shown beside the accuracy as the best that can be reached."""
        return {}
