"""Small pieces of HTML: tables, notes, pictures inside the page. Everything that comes from outside is escaped here."""

from __future__ import annotations

import base64
import re
from collections.abc import Container, Iterable, Sequence
from html import escape
from io import BytesIO

from PIL import Image

SIDE = 384
"""Longest side of a picture that the page shows, in pixels."""


def table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Container[int] = ()
) -> str:
    """A table with row headings, which scrolls by itself where it is too wide; columns in ``numbers`` are aligned right."""
    heads = "".join(_cell("th", place, text, numbers, ' scope="col"') for place, text in enumerate(header))
    body = "".join(f"<tr>{_row(row, numbers)}</tr>" for row in rows)
    return (
        f'<div class="es-scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[str], numbers: Container[int]) -> str:
    first = _cell("th", 0, row[0], numbers, ' scope="row"')
    return first + "".join(_cell("td", place, text, numbers) for place, text in enumerate(row[1:], start=1))


def _cell(tag: str, place: int, text: str, numbers: Container[int], more: str = "") -> str:
    right = ' class="es-number"' if place in numbers else ""
    return f"<{tag}{more}{right}>{escape(text)}</{tag}>"


def note(text: str, *, bad: bool = False) -> str:
    """A sentence that screen readers say when it appears, one that is ``bad`` at once; what stands in backticks is code."""
    role, look = ("alert", " es-bad") if bad else ("status", "")
    words = re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
    return f'<p class="es-note{look}" role="{role}">{words}</p>'


def listed(items: Iterable[str]) -> str:
    """A list of sentences."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def shown(picture: Image.Image, alt: str, side: int = SIDE) -> str:
    """A picture inside the page, no larger than ``side``."""
    small = picture.convert("RGB")
    small.thumbnail((side, side))
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=88)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(alt)}" width="{small.width}" height="{small.height}" src="data:image/jpeg;base64,{data}">'


def figure(picture: str, caption: str) -> str:
    """A picture with what is known of it below; ``caption`` is text."""
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"
