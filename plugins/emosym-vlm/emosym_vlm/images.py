"""Images on their way to a processor: nothing is cut off, and what is scaled down is said."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from PIL import Image

from emosym.contracts import Sample

_log = logging.getLogger("emosym.vlm")


class Size(NamedTuple):
    """Of a picture, in pixels."""

    width: int
    height: int


def whole(picture: Image.Image, processor: Any) -> Image.Image:
    """``picture``, centred on a square of the mean colour where ``processor`` would cut one from it.

    The published processors of LLaVA 1.5 crop; its authors pad (``image_aspect_ratio: pad``). Processors that
    tile an image pad by themselves.
    """
    crops = getattr(processor, "do_center_crop", False) and not hasattr(processor, "image_grid_pinpoints")
    if not crops or picture.width == picture.height:
        return picture
    side = max(picture.size)
    square = Image.new("RGB", (side, side), tuple(int(255 * mean) for mean in processor.image_mean))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def area_limit(processor: Any) -> int | None:
    """The largest area in pixels that ``processor`` leaves as it is; None where all images get one size."""
    size = getattr(processor, "size", None) or {}
    return size.get("longest_edge") if hasattr(processor, "merge_size") else None


@contextmanager
def sizes_made(processor: Any) -> Iterator[dict[Size, Size]]:
    """While open: the size of every picture that ``processor`` resizes, and the largest it makes of it.

    Tiling processors make a small picture of the whole as well, so the largest is what counts. Every family
    resizes by a method of its own processor, which is listened to here; what it gives is what it gave.
    """
    made: dict[Size, Size] = {}
    resize = getattr(processor, "resize", None)
    if resize is None:
        yield made
        return

    def noted(*args: Any, **kwargs: Any) -> Any:
        scaled = resize(*args, **kwargs)
        # Families call the picture by different names; it always comes first.
        given = next(iter((*args, *kwargs.values())))
        shapes: list[Sequence[int]] = [getattr(one, "shape", ()) for one in (given, scaled)]
        if all(len(shape) >= 2 for shape in shapes):
            own, new = (Size(shape[-1], shape[-2]) for shape in shapes)
            made[own] = max(made.get(own, new), new, key=lambda size: size.width * size.height)
        return scaled

    processor.resize = noted
    try:
        yield made
    finally:
        del processor.resize


def warn_scaled(
    samples: Sequence[Sample],
    images: Sequence[Sequence[Image.Image]],
    made: Mapping[Size, Size],
    limit: int | None,
) -> bool:
    """Log the first sample with a picture that was scaled down; whether there was one.

    ``made`` is what :func:`sizes_made` saw. Where there is a ``limit`` in area, sides are rounded to whole
    patches, and only pictures beyond the limit count.
    """
    for sample, pictures in zip(samples, images, strict=True):
        for own in (Size(*picture.size) for picture in pictures):
            new = made.get(own, own)
            if own.width * own.height > limit if limit is not None else _shrinks(own, new):
                _log.warning(
                    "sample %s%s: scaled down from %d x %d to %d x %d pixels%s",
                    sample.id,
                    " and perhaps others" if len(samples) > 1 else "",
                    *own,
                    *new,
                    " (backbone.params.max_pixels)" if limit is not None else "",
                )
                return True
    return False


def _shrinks(own: Size, new: Size) -> bool:
    """Whether a side gets shorter, by more than the pixel that rounding takes."""
    return new.width < own.width - 1 or new.height < own.height - 1
