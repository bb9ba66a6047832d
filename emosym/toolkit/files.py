"""Writing files and folders whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a full disk and a spent quota say."""
LONGEST = 160
"""Bytes of a name's stem, which leaves room for numbers and endings below the 255 of most file systems."""
LARGEST = 100_000_000
"""Bytes a JSON file may have."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


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
            yield partial
            if path.is_dir():
                path.replace(old)
            partial.replace(path)
        finally:
            if old.exists() and not path.exists():
                old.replace(path)
            _remove(partial)
            _remove(old)
    except OSError as error:
        raise _explained(path, size, error) from error


def file_name(text: str) -> str:
    """Any text as one file's name that stays in its folder: what means something in a path is written ``%2F``.

    Different texts have different names. ``urllib.parse.unquote`` gives the text back, but for an empty one (``%``) and
    for one of more than :data:`LONGEST` bytes, which is cut and ends in its own hash.
    """
    name = "".join(
        _escaped(c) if c in '%/\\:*?"<>|' or not (c.isprintable() or c == " ") else c for c in text
    )
    if name[:1] in (".", " ", "-", "~") or _RESERVED.match(name):
        name = _escaped(name[0]) + name[1:]
    if name[-1:] in (".", " "):
        name = name[:-1] + _escaped(name[-1])
    if len(name.encode()) > LONGEST:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return f"{name.encode()[: LONGEST - 17].decode(errors='ignore')}%{digest}"
    return name or "%"


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _explained(path: Path, size: int, error: OSError) -> EmosymError:
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


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
