"""What is wrong with a spec, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from emosym_registry import EmosymError
from emosym_registry.errors import capped, short

from emosym.spec.nodes import Origin


@dataclass(frozen=True)
class Problem:
    """One mistake. ``line`` is 0 where the place is no file (``--set``)."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    @classmethod
    def at(cls, origin: Origin, path: str, message: str, hint: str = "") -> Problem:
        """A mistake at an origin."""
        return cls(origin.file or str(origin), origin.line, origin.column, path, message, hint)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        key = f" {self.path}" if self.path and not place.endswith(f" {self.path}") else ""
        hint = f"; {short(self.hint)}" if self.hint else ""
        return _visible(f"{place}{short(key)}: {short(self.message)}{hint}")


def _visible(text: str) -> str:
    """Line breaks and control characters written out: a message stays a line and moves no cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class SpecErrors(EmosymError):  # noqa: N818 - there are several in it
    """All mistakes of a spec at once, sorted by place; ``str()`` is one line a problem, for the first of them."""

    def __init__(self, problems: Iterable[Problem], id: str = "spec.invalid") -> None:
        self.problems = sorted(
            set(problems), key=lambda p: (not p.line, p.file, p.line, p.column, p.path, p.message)
        )
        super().__init__(id, "\n".join(capped(self.problems)))

    def __reduce__(self) -> tuple[object, ...]:
        return (SpecErrors, (self.problems, self.id))


def fail(origin: Origin, id: str, message: str, hint: str = "", path: str = "") -> NoReturn:
    """Raise :class:`SpecErrors` for one mistake, after which nothing else can be said."""
    raise SpecErrors([Problem.at(origin, path, message, hint)], id)
