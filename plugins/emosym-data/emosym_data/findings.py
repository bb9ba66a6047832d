"""What is wrong with data, kind by kind, without drowning the reader."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import EmosymError

CAP = 12
"""Lines shown of each kind."""


class Findings:
    """Collects problems; :meth:`lines` shows the first of each kind and counts the others."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[str]] = {}

    def add(self, kind: str, line: str) -> None:
        """Note one problem; ``kind`` is a few words, the same for all of its sort."""
        self._kinds.setdefault(kind, []).append(line)

    def extend(self, kind: str, lines: Iterable[str]) -> None:
        for line in lines:
            self.add(kind, line)

    def add_error(self, error: EmosymError, kind: str = "") -> None:
        """Note an error and its hint, once; its kind is its id where none is given."""
        line, kind = error.message + (error.hint and f"; {error.hint}"), kind or error.id
        if line not in self._kinds.get(kind, ()):
            self.add(kind, line)

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def lines(self) -> list[str]:
        """``file: what; what to do``, :data:`CAP` of a kind, then ``... and 132 more: missing image``."""
        shown = []
        for kind, lines in self._kinds.items():
            shown += lines[:CAP]
            if len(lines) > CAP:
                shown.append(f"... and {len(lines) - CAP} more: {kind}")
        return shown

    def error(self, id: str, what: str, hint: str) -> EmosymError:
        """That ``what`` cannot be used, and why."""
        lines = "".join(f"\n  {line}" for line in self.lines())
        return EmosymError(id, f"{what} cannot be used:{lines}", hint=hint)
