"""Images on their way to a processor: nothing is cut off, and what is scaled down is said."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from PIL import Image

from emosym.contracts import Sample

_log = logging.getLogger("emosym.vlm")


def whole(picture: Image.Image, processor: Any) -> Image.Image:
    """``picture`` itself, or centred on a square of the mean colour where ``processor`` would cut one from its middle.

    The published processors of LLaVA 1.5 crop; its authors pad (``image_aspect_ratio: pad``). Processors that tile an
    image pad by themselves.
    """
    crops = getattr(processor, "do_center_crop", False) and not hasattr(processor, "image_grid_pinpoints")
    if not crops or picture.width == picture.height:
        return picture
    side = max(picture.size)
    square = Image.new("RGB", (side, side), tuple(int(255 * mean) for mean in processor.image_mean))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def area_limit(processor: Any) -> int | None:
    """The largest area in pixels that ``processor`` leaves as it is; None where it has one size for all images."""
    size = getattr(processor, "size", None) or {}
    return size.get("longest_edge") if hasattr(processor, "merge_size") else None


def tell_scaled(
    samples: Sequence[Sample], images: Sequence[Sequence[Image.Image]], limit: int | None
) -> bool:
    """Log the first sample with an image of more than ``limit`` pixels; whether there was one."""
    for sample, pictures in zip(samples, images, strict=True):
        if limit is not None and any(picture.width * picture.height > limit for picture in pictures):
            _log.warning(
                "sample %s and perhaps others: scaled down to %d pixels in area (max_pixels)",
                sample.id,
                limit,
            )
            return True
    return False
