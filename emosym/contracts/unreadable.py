"""Why a file is no picture that can be read, and what to do about it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

START = 64
"""Bytes by which kinds of files are known."""
BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
"""What an ISO media file holds, by its brand."""
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
    start = b""
    with suppress(OSError):
        start = source[:START] if isinstance(source, bytes) else _start(source)
        if not start:
            return "empty, 0 bytes", "copy or download it again"
    if start[4:8] == b"ftyp" and start[8:12] in BRANDS:
        kind = BRANDS[start[8:12]]
        return (
            f"{kind}, which is not read here",
            "save it as JPEG; phones do so when set to the most compatible format",
        )
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next(((what, advice) for begins, what, advice in OTHERS if text.startswith(begins.lower())), None)


def _start(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(START)
