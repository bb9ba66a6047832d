"""Puts what was measured into docs/performance.md, between the marks that stand there."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "performance.md"


def machine() -> str:
    """What this was measured on, and when."""
    import torch

    name = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        found = re.search(r"model name\s*:\s*(.+)", info.read_text(encoding="utf-8"))
        name = found[1].strip() if found else name
    day = time.strftime("%Y-%m-%d")
    return f"{name}, {os.cpu_count()} cores, torch {torch.__version__.partition('+')[0]}, {day}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [header, *rows]
    written = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
    return "\n".join([written[0], "|" + "---|" * len(header), *written[1:]])


def fill(mark: str, text: str, page: Path = PAGE) -> None:
    """Put ``text`` between ``<!-- mark -->`` and ``<!-- /mark -->``; ValueError where the page has no such marks."""
    old = page.read_text(encoding="utf-8")
    start, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    if start not in old or end not in old:
        raise ValueError(f"{page.name}: expected the lines {start.strip()} and {end.strip()}")
    head, _, rest = old.partition(start)
    page.write_text(f"{head}{start}{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
