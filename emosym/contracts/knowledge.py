"""Knowledge: reasoning text about images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.sample import Sample


class Knowledge(Component[ConfigT]):
    """Reasoning text about images."""

    @abstractmethod
    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        """One text a sample, None where there is none; the same each time. Asked for all training images
        before the stage compress."""
