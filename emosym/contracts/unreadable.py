"""Why a file is no picture that can be read, and what to do about it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from emosym.contracts.heic import reads_heic

START = 64
"""Bytes by which kinds of files are known."""
HEIC = (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1")
"""Brands of ISO media files that hold HEIC."""
OTHERS = (
    (b"%PDF", "a PDF", "save the page that you mean as JPEG or PNG"),
    (b"<svg", "an SVG drawing", "save it as PNG"),
    (b"<!doctype html", "a web page", "download the picture itself, not the page that shows it"),
    (b"<html", "a web page", "download the picture itself, not the page that shows it"),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the picture itself: git lfs pull"),
)


def why_unreadable(source: Path | bytes) -> tuple[str, str] | None:
    """What the file is instead, and what to do; None where nothing is known of it."""
    if isinstance(source, Path) and source.is_dir():
        return "a folder", "name the pictures in it; emosym understand takes folders too"
    start = _start(source)
    if start == b"":
        return "empty, 0 bytes", "copy or download it again"
    if _brand(start) in HEIC:
        if reads_heic():
            return "HEIC that is damaged", "copy or download it again"
        return "HEIC, which needs pillow-heif", "pip install 'emosym[heic]', or save it as JPEG"
    text = (start or b"").lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next(((what, advice) for begins, what, advice in OTHERS if text.startswith(begins.lower())), None)


def is_heic(source: Path | bytes) -> bool:
    """Whether it begins as HEIC does."""
    return _brand(_start(source)) in HEIC


def _brand(start: bytes | None) -> bytes:
    """That of an ISO media file; nothing where it is none."""
    return start[8:12] if start is not None and start[4:8] == b"ftyp" else b""


def _start(source: Path | bytes) -> bytes | None:
    """None where it cannot be read."""
    if isinstance(source, bytes):
        return source[:START]
    with suppress(OSError), source.open("rb") as stream:
        return stream.read(START)
    return None
