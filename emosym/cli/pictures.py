"""The pictures that a command line names: files, which must be sound, and folders, whose bad pictures are passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emosym_registry import EmosymError
from emosym_registry.errors import capped

if TYPE_CHECKING:
    from PIL.Image import Image

    from emosym.contracts import Reading, Sample
    from emosym.system import System

KEPT = 300_000_000
"""Pixels of named files that stay open from their check to their reading, 0.9 GB; what comes after is opened again."""


@dataclass(frozen=True)
class Picture:
    """A file, and whether somebody named it or it was found in a folder."""

    path: Path
    named: bool
    image: Image | None = None
    """What is in it, where it was opened before."""

    def sample(self) -> Sample:
        """What a system reads. Errors: those of :func:`emosym.contracts.open_image`."""
        from emosym.contracts import Sample, open_image

        return Sample(str(self.path), (open_image(self.path) if self.image is None else self.image,))


@dataclass(frozen=True)
class Found:
    """What there is to read, in the order of the command line, and the folders that could not be looked into."""

    pictures: Sequence[Picture]
    closed: Sequence[str]


def find(paths: Iterable[Path]) -> Found:
    """Open the named files and list the folders with what is below them, before a system is loaded for them.

    Every file that cannot be read and every folder without a picture is told in one error: the file's own,
    ``data.no-pictures``.
    """
    pictures: list[Picture] = []
    closed: list[str] = []
    problems: list[EmosymError] = []
    room = KEPT
    for path in paths:
        try:
            if path.is_dir():
                from emosym.inputs import below

                pictures += [Picture(one, named=False) for one in below(path, closed)]
            else:
                picture = _opened(path, room)
                room -= 0 if picture.image is None else picture.image.width * picture.image.height
                pictures.append(picture)
        except EmosymError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        lines = capped(problem.message for problem in problems)
        raise EmosymError(problems[0].id, "\n  ".join(["unreadable images:", *lines]))
    return Found(pictures, closed)


def read(
    system: System, pictures: Iterable[Picture], batch_size: int, *, why: int = 0
) -> Iterator[tuple[Picture, Reading | EmosymError]]:
    """What each picture evokes and ``why`` reasons for it, ``batch_size`` of them in memory at a time; of one out of a folder
    that cannot be read, the error. That of a named one is raised."""
    from emosym.inputs import outcomes

    def understood(samples: list[Sample]) -> list[Reading]:
        return system.understand(samples, batch_size=len(samples), why=why)

    return outcomes(understood, pictures, batch_size)


def _opened(path: Path, room: int) -> Picture:
    from emosym.contracts import open_image

    image = open_image(path)
    return Picture(path, True, image if image.width * image.height <= room else None)
