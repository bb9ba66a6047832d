"""Writing files and folders whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Write to the yielded temporary file or folder; it takes ``path``'s place only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    old = path.parent / f".{path.name}.{os.getpid()}.old"
    _remove(partial)
    try:
        yield partial
        if path.is_dir():
            path.replace(old)
        partial.replace(path)
    except OSError as error:
        raise EmosymError(
            "run.cannot-write",
            f"{path}: {error.strerror or error}",
            hint="free some space or choose another --out; nothing was changed",
        ) from error
    finally:
        if old.exists() and not path.exists():
            old.replace(path)
        _remove(partial)
        _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    with written_whole(path) as partial:
        partial.write_text(json.dumps(value, indent=2, default=_plain) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
