"""Names that somebody else chose, as names of files."""

from __future__ import annotations

LONGEST = 120
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_ .,+=@()'")


def file_name(text: str) -> str:
    """``text`` as one name in a folder, the same for the same text and for no other: letters of any script stay, what a
    path or a terminal would act on becomes %XX of its UTF-8 (``joy/delight`` is ``joy%2Fdelight``), and what is long is cut
    and told apart by a hash."""
    from hashlib import sha256

    def safe(place: int, letter: str) -> str:
        hidden = letter in "./" and place == 0  # "..", hidden files, absolute paths
        if (letter in _PLAIN or (letter.isalnum() and letter.isprintable())) and not hidden:
            return letter
        return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))

    name = "".join(safe(place, letter) for place, letter in enumerate(text)) or "%"
    if len(name.encode()) <= LONGEST:
        return name
    end = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{name.encode()[: LONGEST - 17].decode(errors='ignore')}~{end}"
