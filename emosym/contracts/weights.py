"""What is wrong with files of weights: shards that are not there, files that are damaged, pickles that hold code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError

from safetensors import SafetensorError, safe_open

_TORN = "PytorchStreamReader", "unexpected EOF", "storage has wrong byte size"


def absent_shards(folder: Path, variant: str | None = None) -> list[str]:
    """Files that an index in ``folder`` names and that are not there; ``variant`` as in ``*.index.fp16.json``."""
    absent: set[str] = set()
    for index in sorted(folder.glob(f"*.index.{variant}.json" if variant else "*.index.json")):
        try:
            named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        absent |= {str(name) for name in named if not (folder / str(name)).is_file()}
    return sorted(absent)


def damaged_files(folder: Path) -> list[str]:
    """Safetensors files in ``folder`` whose header or length is wrong; only headers are read."""
    damaged = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt"):
                continue
        except (SafetensorError, OSError):
            damaged.append(path.name)
    return damaged


def holds_code(error: BaseException) -> bool:
    """Whether ``error``, or what led to it, is torch's refusal to open a pickle that holds more than tensors."""
    return any(
        isinstance(one, UnpicklingError) or "Weights only load failed" in str(one) for one in _chain(error)
    )


def is_torn(error: BaseException) -> bool:
    """Whether ``error``, or what led to it, says that a file of weights ends too early or is no such file."""
    return any(
        isinstance(one, (SafetensorError, EOFError)) or any(word in str(one) for word in _TORN)
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those it was raised from or while handling."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
