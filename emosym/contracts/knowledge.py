"""Knowledge: reasoning text about images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym.contracts.backbone import Backbone
from emosym.contracts.component import Component, ConfigT
from emosym.contracts.sample import Sample


def _quiet(done: int, total: int, detail: str) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class KnowledgeResources:
    """What knowledge may use to make its texts."""

    backbone: Callable[[], Backbone[Any]]
    """The run's backbone before anything has trained it, loaded when it is first asked for."""
    file: Path
    """Where texts that are made are kept, unless its own parameters name a file."""
    show: Callable[[int, int, str], None] = _quiet
    """Told while texts are made: how many are done, of how many, and what else is worth knowing."""


class Knowledge(Component[ConfigT]):
    """Reasoning text about images."""

    def bind(self, resources: KnowledgeResources) -> None:
        """Receive what it may use. Called once, before the first text."""
        self.resources = resources

    @property
    def file(self) -> Path | None:
        """Where it keeps texts that it makes at a cost of time or money, None for knowledge that looks its texts up.

        The file has a JSON object with ``id`` and ``text`` a line, which knowledge ``jsonl`` reads. Each text is in it as
        soon as it is made, and none is made twice; a run asks for them once it has begun, so that ``--resume`` goes on
        with what is kept.
        """
        return None

    @abstractmethod
    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        """One text a sample, None where there is none; the same each time. Asked for all training images
        before the stage compress; those that are made, in the first process of a run alone."""

    def plan(self, samples: Sequence[Sample]) -> str:
        """What :meth:`texts` of these samples would make, in one sentence for whoever pays; empty where it makes nothing.
        Makes none, and asks nobody."""
        return ""

    def facts(self) -> Mapping[str, Any]:
        """What making its texts took and came to, for the run's record: plain values by name."""
        return {}
