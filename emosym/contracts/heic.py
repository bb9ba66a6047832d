"""HEIC, in which phones keep pictures: read by pillow-heif, where the extra ``heic`` is installed."""

from __future__ import annotations


def reads_heic() -> bool:
    """Whether HEIC can be read; from then on Pillow opens it as its format ``HEIF``."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True
