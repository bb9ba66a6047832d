"""Cutting text into pieces that an encoder can take, at the ends of sentences where that is possible."""

from __future__ import annotations

import re
from collections.abc import Callable

_SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n+")


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
