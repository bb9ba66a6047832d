"""Tensors from files that may have been written by anybody: no code of theirs runs."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from safetensors.torch import load_file
from torch import Tensor


def read_mapping(path: Path, within: str | None = None) -> dict[str, Tensor]:
    """Tensors by name on the CPU, from a safetensors or a pickled file, there perhaps under key ``within``.

    A pickle is read as weights only. Errors: ``official.unsafe-file``, ``official.unknown-layout``.
    """
    content = _read(path)
    if within is not None and isinstance(content, Mapping) and isinstance(content.get(within), Mapping):
        content = content[within]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise _unknown(path, "tensors by name")
    return {str(key): value.detach() for key, value in content.items()}


def read_tensor(path: Path) -> Tensor:
    """One tensor, read like :func:`read_mapping` does."""
    content = _read(path)
    if not isinstance(content, Tensor):
        raise _unknown(path, "one tensor")
    return content.detach()


def read_settings(path: Path) -> dict[str, Any]:
    """A JSON object. Errors: ``official.unknown-layout``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unknown(path, f"JSON ({error})") from error
    if not isinstance(content, dict):
        raise _unknown(path, "a JSON object")
    return content


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Mapped into memory where the format allows it: the files hold the base model too, gigabytes of it.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged pickle may fail in any way
        raise EmosymError(
            "official.unsafe-file",
            f"{path} cannot be read as plain tensors: {first_line(error)}",
            hint="it is damaged, or holds objects beside tensors, which could run code and are never loaded; "
            "save its tensors alone again",
        ) from error


def _unknown(path: Path, expected: str) -> EmosymError:
    return EmosymError(
        "official.unknown-layout",
        f"{path} is not what the authors' code writes: expected {expected}",
        hint="docs/how-to/official-checkpoints.md describes the layout",
    )
