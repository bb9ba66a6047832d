"""How things show in a notebook: HTML that is whole in itself, escaped, and takes the colours of the page around it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from typing import NamedTuple

from PIL import Image

BAR, TRACK, FAINT = "#6d8be8", "rgba(127,127,127,0.22)", "opacity:0.72"
"""Colours that can be seen on white and on black."""
LEAST = 192
"""Pixels of the shorter side at which a small picture is shown."""


class Row(NamedTuple):
    """A bar: its name, its ``share`` of the whole (0 to 1), and what is written behind it."""

    name: str
    share: float
    value: str


def bars(title: str, rows: Iterable[Row], notes: Iterable[str] = ()) -> str:
    """A bar a row under a title, and ``notes`` below."""
    lines = []
    for row in rows:
        width = 100 * min(max(row.share, 0.0), 1.0)
        lines.append(
            f'<span>{escape(row.name)}</span><span style="background:{TRACK};border-radius:3px">'
            f'<span style="display:block;height:0.8em;width:{width:.1f}%;background:{BAR};border-radius:3px"></span></span>'
            f'<span style="text-align:right">{escape(row.value)}</span>'
        )
    grid = (
        '<div style="display:grid;grid-template-columns:max-content minmax(8em,18em) max-content;'
        f'gap:2px 10px;align-items:center;justify-content:start">{"".join(lines)}</div>'
    )
    return _box(_title(title) + grid + _notes(notes))


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()) -> str:
    """Text in rows under a title, and ``notes`` below."""
    cell = "padding:2px 12px 2px 0;text-align:left;background:none;border:none"
    head = "".join(f'<th style="{cell};{FAINT}">{escape(name)}</th>' for name in header)
    body = "".join(
        "<tr>" + "".join(f'<td style="{cell}">{escape(value)}</td>' for value in row) + "</tr>"
        for row in rows
    )
    return _box(
        f'{_title(title)}<table style="border-collapse:collapse"><tr>{head}</tr>{body}</table>{_notes(notes)}'
    )


def pictured(image: Image.Image, title: str, note: str) -> str:
    """A picture with a title and a note, the picture inside the HTML."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    scale = max(1, round(LEAST / max(1, min(image.size))))
    width = image.width * scale
    crisp = ";image-rendering:pixelated" if scale > 1 else ""
    return _box(
        f'<img alt="{escape(title)}" width="{width}" style="max-width:100%{crisp}" src="data:image/png;base64,{data}"/>'
        f"{_title(title)}{_notes([note])}"
    )


def _box(content: str) -> str:
    return f'<div style="font:14px/1.5 system-ui,sans-serif;color:inherit;margin:4px 0">{content}</div>'


def _title(text: str) -> str:
    return f'<div style="font-weight:600">{escape(text)}</div>'


def _notes(notes: Iterable[str]) -> str:
    return "".join(f'<div style="{FAINT}">{escape(note)}</div>' for note in notes)
