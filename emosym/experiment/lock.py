"""One process works on a run folder: its lock names the owner, and outlives it only until somebody looks."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

from emosym.toolkit import json_text, make_folder
from emosym.toolkit.files import lives

NAME = ".lock"
BEAT, SILENT = 30.0, 300.0
"""Seconds between an owner's signs of life, and without one after which an owner on another machine counts as gone."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Own a folder for the time of the block; made where it is missing.

    A lock whose owner has died is taken over, with a word on stderr. Errors: ``run.locked`` names the owner;
    ``run.cannot-write``.
    """
    make_folder(folder)
    path = folder / NAME
    own = {"host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid()), "since": _now()}
    _take(path, own)
    for left in folder.glob(f"{NAME}.*"):  # by one who died while taking over
        left.unlink(missing_ok=True)
    done = threading.Event()
    threading.Thread(target=_beat, args=(path, done), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        with suppress(OSError):
            if _owner(path) == own:
                path.unlink()


def owner_of(folder: Path) -> int | None:
    """The process that owns a folder now (0 where it is not known, as on another machine), None where nobody does."""
    path = folder / NAME
    owner = _owner(path)
    if not path.exists() or not _lives(path, owner):
        return None
    return int(owner.get("pid", 0)) if owner.get("host") == socket.gethostname() else 0


def _take(path: Path, own: Mapping[str, Any]) -> None:
    for _ in range(3):  # more only where several take over at once
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(json_text(own))
            return
        except FileExistsError:
            owner = _owner(path)
        if _lives(path, owner):
            break
        aside = path.with_name(f"{NAME}.{os.getpid()}")
        with suppress(FileNotFoundError):
            path.replace(aside)  # one of several that see it succeeds
            aside.unlink()
            print(f"note: {path.parent}: taken over from {_words(owner)}, which is gone", file=sys.stderr)
    raise EmosymError(
        "run.locked",
        f"{path.parent} is in use by {_words(_owner(path))}",
        hint=f"wait for it, choose another --out, or delete {path} if it is surely gone",
    )


def _owner(path: Path) -> dict[str, Any]:
    """What the lock says; nothing where it is not whole."""
    try:
        owner = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _lives(path: Path, owner: Mapping[str, Any]) -> bool:
    try:
        silent = time.time() - path.stat().st_mtime
    except OSError:
        return False
    if not owner:  # its owner is writing it, or died while it did
        return silent < 10
    if owner.get("host") == socket.gethostname():
        return _born(int(owner["pid"])) == owner.get("born") and owner.get("born") != ""
    return silent < SILENT


def _born(pid: int) -> str:
    """When a process of this machine began, so that another one of its number is not taken for it; empty for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:  # none, or no Linux
        return "alive" if lives(pid) else ""


def _beat(path: Path, done: threading.Event) -> None:
    while not done.wait(BEAT):
        with suppress(OSError):
            os.utime(path)


def _words(owner: Mapping[str, Any]) -> str:
    if not owner:
        return "another process"
    return f"process {owner.get('pid')} on {owner.get('host')} since {owner.get('since')}"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
