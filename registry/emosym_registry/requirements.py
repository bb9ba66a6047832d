"""What a distribution asks of the environment, and whether it gets it. Imported on demand only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement

from emosym_registry.discovery import canonical

OURS = ("emosym-registry", "emosym")


@dataclass(frozen=True)
class Unmet:
    """A requirement that is not met; ``installed`` is None where the distribution is missing."""

    requirement: str
    installed: str | None

    @property
    def words(self) -> str:
        there = f"{self.installed} is installed" if self.installed else "it is not installed"
        return f"requires {self.requirement}, but {there}"

    @property
    def quoted(self) -> str:
        """As a shell takes it."""
        return f'"{self.requirement}"' if set(self.requirement) & set("<>=!~; []") else self.requirement


def unmet(requirements: Iterable[str]) -> Iterator[Unmet]:
    """Those that the environment does not meet; extras and markers that do not apply here are left out."""
    for text in requirements:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            yield Unmet(text, None)
            continue
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        there = installed_version(wanted.name)
        if there is None or not wanted.specifier.contains(there, prereleases=True):
            yield Unmet(f"{wanted.name}{wanted.specifier}", there)


def requirements_of(distribution: str) -> list[str]:
    """What an installed distribution requires, nothing where it is not installed."""
    try:
        return metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []


def unmet_of_ours(distribution: str) -> list[Unmet]:
    """The distribution's requirements on the registry and the core that the installed ones do not meet."""
    ours = [
        text for text in requirements_of(distribution) if canonical(re.split(r"[^\w.-]", text)[0]) in OURS
    ]
    return list(unmet(ours))


def installed_version(distribution: str) -> str | None:
    """None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
