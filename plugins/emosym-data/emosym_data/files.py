"""Looking at many files without asking for each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from emosym_registry import EmosymError

from emosym.contracts import open_image, picture_size
from emosym_data.config import ReaderConfig
from emosym_data.findings import Findings


def missing_files(root: Path, paths: Iterable[str]) -> Iterator[str]:
    """Those of ``paths`` (relative, forward slashes) that are not files; lists each folder once."""
    listed: dict[PurePosixPath, frozenset[str]] = {}
    for path in paths:
        pure = PurePosixPath(path)
        if pure.parent not in listed:
            listed[pure.parent] = _names(root / pure.parent)
        if pure.name not in listed[pure.parent]:
            yield path


def _names(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()


def readable(text: str) -> str:
    """``text`` as it can be printed: bytes of a file name that are no UTF-8 as ``\\xNN``."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def check_pictures(
    root: Path, images: Iterable[tuple[str, str]], findings: Findings, config: ReaderConfig
) -> None:
    """Look at the header of every picture of (split, path) that is there; with ``config.verify`` decode it, and find the
    same content in two splits. Where the run skips what it cannot read, that is no finding."""
    contents: dict[bytes, tuple[str, str]] = {}
    for split, path in images:
        file = root / path
        if not file.is_file():
            continue
        try:
            open_image(file) if config.verify else picture_size(file)
        except EmosymError as error:
            if config.on_bad_image == "stop":
                findings.add("unreadable image", f"{error.message}; {error.hint}")
            continue
        if not config.verify:
            continue
        content = file.read_bytes()
        first = contents.setdefault(hashlib.sha256(content).digest(), (split, path))
        if first[0] != split:
            findings.add(
                "content in two splits",
                f"{file} ({split}): the same picture as {first[1]} ({first[0]}); keep it in one split",
            )
