"""What an import read, from which file, onto which tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emosym import __version__
from emosym_official.pieces import Piece
from emosym_official.tensors import sha256


@dataclass(frozen=True)
class Report:
    """The record of one import; :meth:`data` is what ``import.json`` holds, :meth:`rows` what the terminal shows."""

    files: tuple[Path, ...]
    pieces: tuple[Piece, ...]
    settings: dict[str, Any]
    """What the checkpoint said of the spec, by dotted key."""
    labels: tuple[tuple[str, ...], tuple[str, ...]]
    """The emotions in the checkpoint's order and in the system's."""
    trained_on: str | None
    """The base model as the adapter's configuration names it."""
    not_read: dict[str, int]
    """What was left aside, and how many tensors it has."""
    unread: tuple[str, ...]
    """Files in the checkpoint's folder that were not opened, such as optimiser states."""
    unchanged: int
    """Tensors of the checkpoint's copy of the base that are equal to the base's own."""
    notes: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        return {
            "emosym": __version__,
            "layout": "official",
            "trained_on": self.trained_on,
            "labels": {"checkpoint": list(self.labels[0]), "system": list(self.labels[1])},
            "settings": self.settings,
            "files": [
                {"file": str(path), "bytes": path.stat().st_size, "sha256": sha256(path)}
                for path in self.files
            ],
            "tensors": [
                {
                    "tensor": f"{piece.part}.{piece.name}",
                    "shape": list(piece.tensor.shape),
                    "from": [{"file": str(path), "key": key} for path, key in piece.sources],
                }
                for piece in self.pieces
            ],
            "base_tensors_equal": self.unchanged,
            "not_read": self.not_read,
            "files_not_read": list(self.unread),
            "notes": list(self.notes),
        }

    def rows(self) -> list[tuple[str, str, str, str]]:
        """File, what in it, tensor of the system, shape; the adapter's many tensors are two or three rows."""
        adapters = [piece for piece in self.pieces if piece.part == "adapters"]
        others = [piece for piece in self.pieces if piece.part != "adapters" and piece.sources]
        rows = []
        for kind in sorted({_kind(piece.name) for piece in adapters}):
            members = [piece for piece in adapters if _kind(piece.name) == kind]
            target = f"adapters.….{kind}"
            rows.append(
                (members[0].sources[0][0].name, f"{len(members)} × …{kind}", target, _shapes(members))
            )
        return rows + [
            (_files(piece), _keys(piece), f"{piece.part}.{piece.name}", _shapes([piece])) for piece in others
        ]


def _kind(name: str) -> str:
    """``lora_A.weight`` of a name in the adapter."""
    return ".".join(name.split(".")[-2:])


def _shapes(pieces: Sequence[Piece]) -> str:
    shapes = sorted({tuple(piece.tensor.shape) for piece in pieces})
    shown = ["×".join(map(str, shape)) for shape in shapes]
    return shown[0] if len(shown) == 1 else f"{shown[0]} … {shown[-1]}"


def _files(piece: Piece) -> str:
    names = list(dict.fromkeys(path.name for path, _ in piece.sources))
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _keys(piece: Piece) -> str:
    return ", ".join(dict.fromkeys(key for _, key in piece.sources if key)) or "the tensor"
