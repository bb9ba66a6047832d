"""Pictures inside a page: small, as data URLs, so that a page needs nothing outside itself."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

THUMBNAIL = 112
"""Longest side of a single picture on a page, in pixels; nothing is enlarged."""
SHEET = 900
"""Widest a contact sheet is on a page, in pixels."""


def as_url(picture: Image.Image, width: int = THUMBNAIL, height: int | None = None) -> str:
    """A picture as a WebP of at most ``width`` × ``height`` pixels (a square where no height is given), as a data URL; the
    same bytes for the same picture."""
    shown = picture.convert("RGB")
    shown.thumbnail((width, height or width), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    shown.save(buffer, "WEBP", quality=72, method=6)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def file_as_url(path: Path, width: int = THUMBNAIL, height: int | None = None) -> str | None:
    """The same of a file; None where there is none, or it is no whole picture."""
    try:
        with Image.open(path) as opened:
            return as_url(opened, width, height)
    except (OSError, ValueError):
        return None
