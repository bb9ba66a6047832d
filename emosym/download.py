"""A picture from the web: of known size and within a time, whatever its server does. Imports no torch."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse

from emosym_registry import EmosymError
from emosym_registry.errors import first_line

LARGEST = 50_000_000
"""Bytes of the largest file that is taken from an address."""
PATIENCE, SILENCE = 60.0, 15.0
"""Seconds that a download may take, and that its server may say nothing."""
_CHUNK = 1 << 16


def is_url(given: object) -> bool:
    """Whether a text is the address of a web page or file."""
    return isinstance(given, str) and given.lower().startswith(("http://", "https://"))


def picture_bytes(url: str) -> bytes:
    """What lies at an ``http(s)`` address, not looked at; whoever opens it as a picture refuses anything else.

    Errors: ``data.download-failed``, ``data.large-download``.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "emosym", "Accept": "image/*"})  # noqa: S310 - see is_url
    try:
        with _opener().open(request, timeout=SILENCE) as answer:
            return _within_limits(answer, url)
    except (OSError, HTTPException, ValueError) as error:
        raise _failed(url, error) from error


def _opener() -> urllib.request.OpenerDirector:
    """What follows proxies and redirections, to ``http(s)`` alone: no file of this machine, no ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _within_limits(answer: HTTPResponse, url: str) -> bytes:
    until = time.monotonic() + PATIENCE
    content = bytearray()
    while chunk := answer.read1(_CHUNK):
        content += chunk
        if len(content) > LARGEST:
            raise EmosymError(
                "data.large-download",
                f"{url}: more than {LARGEST // 1_000_000} MB",
                hint="save a smaller copy and give its file",
            )
        if time.monotonic() > until:
            raise TimeoutError(f"not there after {PATIENCE:g} seconds")
    return bytes(content)


def _failed(url: str, error: Exception) -> EmosymError:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    why = f"{error.code} {error.reason}" if isinstance(error, urllib.error.HTTPError) else reason
    text = first_line(why) if isinstance(why, Exception) else str(why)
    return EmosymError(
        "data.download-failed",
        f"{url}: cannot be fetched ({text})",
        hint="check the address and the network, or save the picture and give its file",
    )
