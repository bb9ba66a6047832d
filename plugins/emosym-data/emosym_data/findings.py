"""What is wrong with data, kind by kind, without drowning the reader."""

from __future__ import annotations

from collections.abc import Iterable

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

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def lines(self, cap: int = CAP) -> list[str]:
        """``file: what; what to do``, at most ``cap`` of a kind and then ``... and 132 more: missing image``."""
        shown = []
        for kind, lines in self._kinds.items():
            shown += lines[:cap]
            if len(lines) > cap:
                shown.append(f"... and {len(lines) - cap} more: {kind}")
        return shown
