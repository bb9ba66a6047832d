"""Where what was computed once is kept on disk, and how much of it there is."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from emosym.toolkit.files import write_json

ABOUT, DATA = "space.json", "data.mdb"
IN_USE = 600.0
"""Seconds after its last use in which a space counts as in use, and is not given up for another."""


def cache_folder() -> Path:
    """What emosym may write again at any time: ``EMOSYM_CACHE``, or ``~/.cache/emosym``."""
    base = os.environ.get("EMOSYM_CACHE")
    return Path(base).expanduser() if base else Path.home() / ".cache" / "emosym"


@dataclass(frozen=True)
class Space:
    """A folder of kept values of one ``kind`` (prefixes, features, latents), and what they depend on."""

    folder: Path
    kind: str
    about: Mapping[str, Any]
    bytes: int
    used: float
    """When it was last opened or written to (Unix seconds)."""

    @property
    def in_use(self) -> bool:
        """Whether a run may be reading it now."""
        return time.time() - self.used < IN_USE

    def remove(self) -> None:
        """Delete it. A process that reads it goes on with what it has open."""
        shutil.rmtree(self.folder, ignore_errors=True)


def spaces() -> list[Space]:
    """All there are, the longest unused first."""
    found = []
    for file in (cache_folder() / "kept").glob(f"*/{ABOUT}"):
        with suppress(OSError, ValueError):  # another process may be deleting it
            said = json.loads(file.read_text(encoding="utf-8"))
            size = sum(one.stat().st_blocks * 512 for one in file.parent.iterdir())
            found.append(Space(file.parent, said["kind"], said["about"], size, file.stat().st_mtime))
    return sorted(found, key=lambda space: space.used)


def make_space(kind: str, about: Mapping[str, Any]) -> Path:
    """The folder of values of a kind that depend on ``about``, made where it is not there. Raises
    OSError; errors: those of :func:`write_json`.

    Each machine has its own: memory-mapped files do not keep up with other machines that write to the same network disk.
    """
    said = {"kind": kind, "about": about, "host": socket.gethostname()}
    name = sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache_folder() / "kept" / f"{kind}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / ABOUT, said)
    return folder


def touch(folder: Path) -> None:
    """Note that a space is in use."""
    with suppress(OSError):
        os.utime(folder / ABOUT)


def make_room(folder: Path, limit: int) -> int:
    """Give up spaces of others, the longest unused first, until all there is fits ``limit`` bytes or all the rest is in
    use; the bytes that are then left for ``folder`` and what it holds already."""
    others = [space for space in spaces() if space.folder != folder]
    total = sum(space.bytes for space in others)
    for space in others:
        if total <= limit // 2 or space.in_use:
            break
        space.remove()
        total -= space.bytes
    return max(0, limit - total)
