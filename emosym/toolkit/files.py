"""Writing files and folders whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import glob
import json
import math
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a full disk and a spent quota say."""
LARGEST = 100_000_000
"""Bytes a JSON file may have."""


@contextmanager
def written_whole(path: Path, size: int = 0) -> Iterator[Path]:
    """Write to the yielded temporary file or folder; it takes ``path``'s place only when the block ends well.

    ``size`` in bytes, where it is known, lets the error of a full disk say how much is missing. Errors:
    ``files.disk-full``, ``run.cannot-write``.
    """
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    old = path.parent / f".{path.name}.{os.getpid()}.old"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _remove(partial)
            _remove_left(path)
            yield partial
            if not (path.is_dir() and _exchanged(partial, path)):
                if path.is_dir():
                    path.replace(old)
                partial.replace(path)
        finally:
            if old.exists() and not path.exists():
                old.replace(path)
            _remove(partial)
            _remove(old)
    except OSError as error:
        raise cannot_write(path, error, size) from error


def _remove_left(path: Path) -> None:
    """What processes that died have left of writing this very file or folder."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        process = left.name.rsplit(".", 2)[1]
        if process.isdecimal() and not lives(int(process)):
            _remove(left)


def lives(process: int) -> bool:
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        pass
    return True


def sweep(folder: Path) -> None:
    """Clean up what writers that were killed have left in ``folder``: what they had put aside takes its place again where
    nothing else has, and what was not whole goes. Only for a folder that nobody else writes to."""
    for left in sorted(folder.glob(".*.*.old")):
        path = folder / left.name[1:].rsplit(".", 2)[0]
        if not path.exists():
            left.replace(path)
    for left in (*folder.glob(".*.*.old"), *folder.glob(".*.*.partial")):
        _remove(left)


_EXCHANGE = 2
"""``RENAME_EXCHANGE`` of Linux: two names change places in one step."""


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders change places at once, where the system can: no moment in which one of them is not there."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    return rename is not None and rename(-100, os.fsencode(one), -100, os.fsencode(other), _EXCHANGE) == 0


def cannot_write(path: Path, error: OSError, size: int = 0) -> EmosymError:
    """The error for a file or folder that the system would not write, of ``size`` bytes where that is known:
    ``files.disk-full`` or ``run.cannot-write``."""
    if error.errno not in FULL:
        return EmosymError(
            "run.cannot-write",
            f"{path}: {error.strerror or error}",
            hint="mend that or choose another --out; nothing was changed",
        )
    where = next(folder for folder in path.absolute().parents if folder.exists())
    free = shutil.disk_usage(where).free
    needs = f"it needs {megabytes(size)}, " if size else ""
    missing = f"at least {megabytes(size - free)}" if size > free else "some space"
    return EmosymError(
        "files.disk-full",
        f"{path}: {error.strerror or 'no space left'} ({needs}{megabytes(free)} of the disk are free)",
        hint=f"free {missing} or choose another --out; what was there before is untouched",
    )


def make_folder(path: Path) -> Path:
    """A folder that can be written to, made where it is missing; asked for before any work is done for it.

    Errors: ``run.cannot-write``.
    """
    try:
        if (path.exists() or path.is_symlink()) and not path.is_dir():
            what = "a link that leads nowhere" if not path.exists() else "a file"
            raise NotADirectoryError(errno.ENOTDIR, f"{what}, where a folder is wanted")
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def megabytes(size: int) -> str:
    """Bytes for people, rounded up."""
    return f"{math.ceil(size / 1e5) / 10} MB"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    with written_whole(path) as partial:
        partial.write_text(json_text(value), encoding="utf-8")


def json_text(value: Any) -> str:
    """JSON as :func:`write_json` writes it, for a file in a folder that is itself written whole."""
    return json.dumps(value, indent=2, default=_plain) + "\n"


def read_json(path: Path) -> Any:
    """What a JSON file holds; no more of it than :data:`LARGEST` bytes is read.

    Errors: ``files.too-large``; what the system says as OSError, and ValueError where it is no JSON.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a file", str(path))
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise EmosymError(
            "files.too-large",
            f"{path}: a JSON file may have {megabytes(LARGEST)}, this one has {megabytes(path.stat().st_size)}",
            hint="is it the right file?",
        )
    try:
        return json.loads(data.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Every line of a file as a dictionary, none where there is no file; a line cut off by a crash is left out."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        with suppress(json.JSONDecodeError):
            lines.append(json.loads(text))
    return lines


def write_json_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON object a line, whole or not at all."""
    with written_whole(path) as partial:
        partial.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
