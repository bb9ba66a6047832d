"""Cutting text into pieces that an encoder can take, at the ends of sentences where that is possible."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from emosym_registry import EmosymError

logger = logging.getLogger(__name__)

_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n+")


class Splitter:
    """Cuts the texts that ``model`` cannot take whole: those of more than ``length`` tokens by ``count``. The first such
    text is logged."""

    def __init__(self, count: Callable[[str], int], length: int, model: str) -> None:
        self.count, self.length, self.model = count, length, model
        self.said = False

    def pieces(self, text: str) -> list[str]:
        """The text in pieces that each fit; a text that fits is the only piece. Errors: ``text.too-long``."""
        pieces = split_text(text, self._fits)
        if len(pieces) > 1 and not self.said:
            self.said = True
            logger.warning(
                "a text of %d tokens does not fit the %d of %s: such texts are split and averaged",
                self.count(text),
                self.length,
                self.model,
            )
        if not all(self._fits(piece) for piece in pieces):
            raise EmosymError(
                "text.too-long",
                f"a single character of {text[:40]!r} does not fit the context of {self.model}",
                hint="choose a model with a longer context",
            )
        return pieces

    def _fits(self, text: str) -> bool:
        return self.count(text) <= self.length


def split_text(text: str, fits: Callable[[str], bool]) -> list[str]:
    """``text`` in as few pieces as follow from filling each in turn, none of which is too long for ``fits``.

    Breaks between sentences, then between words, then inside a word; every character but white space is kept.
    """
    if fits(text):
        return [text]
    sentences = [part for part in _SENTENCE.split(text) if part.strip()]
    return _pack([piece for sentence in sentences for piece in _short(sentence, fits)], fits)


def _short(sentence: str, fits: Callable[[str], bool]) -> list[str]:
    if fits(sentence):
        return [sentence]
    words = sentence.split()
    return _pack([piece for word in words for piece in _halved(word, fits)], fits)


def _halved(word: str, fits: Callable[[str], bool]) -> list[str]:
    if fits(word) or len(word) < 2:
        return [word]
    middle = len(word) // 2
    return _halved(word[:middle], fits) + _halved(word[middle:], fits)


def _pack(parts: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Join neighbours as long as they fit together."""
    packed: list[str] = []
    for part in parts:
        if packed and fits(f"{packed[-1]} {part}"):
            packed[-1] = f"{packed[-1]} {part}"
        else:
            packed.append(part)
    return packed
