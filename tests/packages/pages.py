"""Executing a page of the documentation: its files are written, its commands run, what they print is compared.

A ``console`` block holds commands after ``$ `` and what they print; ``…`` stands for any text in a line, and alone on a
line for any lines. A block of code whose paragraph before it ends with a path in backticks and a colon is that file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w./-]+\.\w+)`:\s*$")


@dataclass(frozen=True)
class Command:
    """A command of a page, at its line, and what it should print."""

    line: int
    words: str
    expected: str


@dataclass(frozen=True)
class File:
    """A file that a page shows."""

    line: int
    path: str
    text: str


def steps(page: Path) -> Iterator[Command | File]:
    """What a reader would do, in order."""
    text = page.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        named = _FILE.search(text[: block.start()].rstrip() + "\n")
        if block[1] == "console":
            yield from _commands(block[2], line)
        elif named is not None:
            yield File(line, named[1], block[2])


def _commands(block: str, line: int) -> Iterator[Command]:
    for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE):
        first, _, rest = part.partition("\n")
        if first.startswith("$ "):
            yield Command(line, first[2:], rest.strip("\n"))


def matches(expected: str, printed: str) -> bool:
    """Whether the output is what the page says."""
    lines = []
    for wanted in expected.splitlines():
        if wanted.strip() == "…":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(
                r".*?".join(re.escape(part.rstrip()) for part in wanted.rstrip().split("…")) + r"[ ]*\n"
            )
    return re.fullmatch("".join(lines), printed.strip("\n") + "\n" if printed.strip("\n") else "") is not None
