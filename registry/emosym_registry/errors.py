"""The one exception family of emosym, and how a message is put together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

MOST, LONGEST = 50, 1_000
"""Most lines of a list in a message, and most characters of one line's text."""


class EmosymError(Exception):
    """A failure that somebody can act on.

    ``id`` is stable and dotted (``spec.unknown-component``); ``hint`` says what to do next; ``ours`` is true
    when the cause is a fault of emosym rather than of its input (the command line then exits with 1 instead
    of 2).
    """

    def __init__(self, id: str, message: str, *, hint: str = "", ours: bool = False) -> None:
        super().__init__(message)
        self.id = id
        self.message = message
        self.hint = hint
        self.ours = ours

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.id, self.message, self.hint, self.ours))


def _rebuild(id: str, message: str, hint: str, ours: bool) -> EmosymError:
    return EmosymError(id, message, hint=hint, ours=ours)


class PluginDeprecationWarning(DeprecationWarning):
    """What a hook or a descriptor's field warns with when the plugin API is about to drop it.

    Loading collects these instead of showing them; ``emosym plugins doctor`` has a line for each.
    """


def unknown(
    id: str, what: str, word: str, known: Iterable[str], *, hint: str = "", where: str = ""
) -> EmosymError:
    """The error for a word that is none of the ``known`` ones.

    ``unknown("spec.unknown-stage", "stage", "unfy", STAGES)`` says ``unknown stage 'unfy'; did you mean
    "unify"?`` and lists the stages as its hint. ``where`` is put before the message, as a file or a key.
    """
    known = list(dict.fromkeys(known))
    suggestion = did_you_mean(word, known)
    message = f"{where and f'{where}: '}unknown {what} {short(word)!r}{suggestion and f'; {suggestion}'}"
    return EmosymError(id, message, hint=hint or f"{plural_of(what)}: {some(known, 20) or 'none'}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean "x"?`` for the nearest known word, or an empty string."""
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near not in ("", word) else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one, an empty string where none is."""
    if len(word) > LONGEST:
        return ""
    likeness = 0.6 if len(word) > 3 else 0.7  # of three letters, two are soon the same
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)), "")


def some(names: Sequence[str], most: int = 3) -> str:
    """``a, b, c and 4 more``: the first ``most`` names, and how many there are beyond."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def capped(items: Iterable[object]) -> list[str]:
    """A line for each item; of more than :data:`MOST` the first, and last ``and 9950 more``."""
    items = list(items)
    rest = len(items) - MOST
    return [str(item) for item in items[:MOST]] + ([f"and {rest} more"] if rest > 0 else [])


def short(text: str) -> str:
    """A text for a message: of more than :data:`LONGEST` characters the beginning and the end."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} … {text[-half:]}"


def plural(count: int, noun: str) -> str:
    """``1 component``, ``2 memories``."""
    return f"{count} {noun if count == 1 else plural_of(noun)}"


def plural_of(noun: str) -> str:
    """``components`` for component, ``memories`` for memory, ``losses`` for loss."""
    if noun.endswith("y") and noun[-2:-1] not in "aeou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "sh", "ch")) else f"{noun}s"


def first_line(error: BaseException) -> str:
    """What an exception says, in one line; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
