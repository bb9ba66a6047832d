"""The one exception family of emosym, and how a message is put together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EmosymError(Exception):
    """A failure that somebody can act on.

    ``id`` is stable and dotted (``spec.unknown-component``); ``hint`` says what to do next; ``ours`` is true when the
    cause is a fault of emosym rather than of its input (the command line then exits with 1 instead of 2).
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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean "x"?`` for the nearest known word, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""


def first_line(error: BaseException) -> str:
    """What an exception says, in one line; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
