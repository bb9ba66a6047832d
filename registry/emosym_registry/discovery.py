"""Finding plugins: the only file that knows the ``entrypoints`` library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import entrypoints

GROUP = "emosym.plugins"


@dataclass(frozen=True)
class Found:
    """An entry point: ``id`` is its name, ``distribution`` and ``version`` those of the package that declares it."""

    id: str
    module: str
    distribution: str
    version: str

    def load(self) -> Any:
        """Import the plugin's light module."""
        return entrypoints.EntryPoint(self.id, self.module, None).load()


def discover() -> list[Found]:
    """All plugins installed on ``sys.path``, sorted by id, each once."""
    found: dict[tuple[str, str], Found] = {}
    for point in entrypoints.get_group_all(GROUP):
        owner = point.distro
        one = Found(
            point.name,
            point.module_name,
            owner.name if owner else "unknown",
            owner.version if owner else "unknown",
        )
        found.setdefault((one.id, one.module), one)
    return sorted(found.values(), key=lambda one: (one.id, one.distribution))
