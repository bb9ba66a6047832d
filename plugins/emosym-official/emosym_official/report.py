"""What an import read, from which file, onto which tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emosym import __version__
from emosym_official.base import Remainder
from emosym_official.checkpoint import Checkpoint
from emosym_official.tensors import sha256
from emosym_official.weights import Weight, Weights

HEADER = ("file", "holds", "becomes", "shape")
ADAPTERS = "adapters."


@dataclass(frozen=True)
class Report:
    """The record of an import: :meth:`data` for ``import.json``, :meth:`text` for the terminal.

    ``settings`` is what the checkpoint said of the spec, by dotted key; ``labels`` are the emotions in the
    checkpoint's order and in the system's.
    """

    checkpoint: Checkpoint
    weights: Weights
    settings: dict[str, Any]
    labels: tuple[tuple[str, ...], tuple[str, ...]]
    remainder: Remainder

    @property
    def not_read(self) -> dict[str, int]:
        """What was left aside, and how many tensors it has."""
        return self.remainder.aside | self.checkpoint.merged

    def data(self) -> dict[str, Any]:
        layout = self.checkpoint.layout
        return {
            "emosym": __version__,
            "layout": "official",
            "trained_on": self.checkpoint.adapter.base,
            "labels": {"checkpoint": self.labels[0], "system": self.labels[1]},
            "settings": self.settings,
            "files": [
                {"file": str(path), "bytes": path.stat().st_size, "sha256": sha256(path)}
                for path in layout.files()
            ],
            "tensors": [
                {
                    "tensor": name,
                    "shape": list(weight.tensor.shape),
                    "from": [{"file": str(path), "key": key} for path, key in weight.sources],
                }
                for name, weight in self.weights.items()
            ],
            "base_tensors_equal": self.remainder.same,
            "not_read": self.not_read,
            "files_not_read": layout.unread(),
            "notes": self.remainder.notes,
        }

    def text(self) -> str:
        """A table of what came from where, and a line for everything else."""
        rows = [HEADER, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines += [f"not read: {what} ({count} tensors)" for what, count in self.not_read.items()]
        if unread := self.checkpoint.layout.unread():
            lines.append(f"not opened: {', '.join(unread)}")
        if self.remainder.same:
            lines.append(f"equal to the base model: {self.remainder.same} tensors")
        return "\n".join([*lines, *(f"note: {note}" for note in self.remainder.notes)])

    def rows(self) -> list[tuple[str, str, str, str]]:
        """File, what in it, tensor of the system, shape; the adapter's many tensors are two or three rows."""
        kinds: dict[str, list[Weight]] = {}
        rows = []
        for name, weight in self.weights.items():
            if name.startswith(ADAPTERS):
                kinds.setdefault(".".join(name.split(".")[-2:]), []).append(weight)
            else:
                keys = ", ".join(dict.fromkeys(key for _, key in weight.sources if key)) or "the tensor"
                rows.append((_files(weight), keys, name, _shapes([weight])))
        adapters = [
            (_files(members[0]), f"{len(members)} × …{kind}", f"{ADAPTERS}….{kind}", _shapes(members))
            for kind, members in sorted(kinds.items())
        ]
        return adapters + rows


def _shapes(weights: Sequence[Weight]) -> str:
    shapes = sorted({tuple(weight.tensor.shape) for weight in weights})
    shown = ["×".join(map(str, shape)) for shape in shapes]
    return shown[0] if len(shown) == 1 else f"{shown[0]} … {shown[-1]}"


def _files(weight: Weight) -> str:
    names = list(dict.fromkeys(path.name for path, _ in weight.sources))
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
