"""Sample: one image (or several that are read together) and what is known of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from PIL import Image, ImageOps, UnidentifiedImageError

from emosym.contracts.heic import reads_heic
from emosym.contracts.unreadable import is_heic, why_unreadable

ImageSource = Path | bytes | Image.Image
"""A picture: its file, the bytes of one, or what Pillow has opened."""
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
"""What pictures may be, whatever their files are called, and HEIC where it can be read: no format that starts another
program, such as EPS."""
SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"),
    *(".heic", ".heif"),  # told what to install where it cannot be read, and not passed over in silence
)
"""How files of these formats are called, by which the pictures in a folder are known; compared without case."""
MOST_PIXELS = 100_000_000
"""Pixels of the largest picture that is decoded: 300 MB as RGB."""


class DecodedFile(type(Path())):  # type: ignore[misc]
    """The path of a picture's file whose ``picture`` has been decoded ahead."""

    picture: Image.Image

    @classmethod
    def of(cls, path: Path, picture: Image.Image) -> DecodedFile:
        """``path`` with what is in it."""
        decoded = cls(path)
        decoded.picture = picture
        return decoded


def open_image(source: ImageSource) -> Image.Image:
    """The picture as RGB, turned as its EXIF says; not turned where its EXIF is broken.

    Grey pictures of 16 bits are scaled to 8. One that cannot be read, is too large, or whose numbers have no known
    scale is an :class:`EmosymError` naming it: ``data.missing-image``, ``data.bad-image``, ``data.large-image``.
    """
    if isinstance(source, Image.Image):
        return _rgb(source, "the given picture")
    if isinstance(source, DecodedFile):
        return source.picture
    with _opened(source) as (image, name):
        image.load()
        with suppress(Exception):  # EXIF is written by anybody, and Pillow raises whatever parsing it raises
            image = ImageOps.exif_transpose(image)
        return _rgb(image, name)


def picture_size(source: ImageSource) -> tuple[int, int]:
    """Width and height by the header alone; the errors are those of :func:`open_image` that it shows."""
    if isinstance(source, Image.Image):
        return source.size
    with _opened(source) as (image, _):
        return image.size


@contextmanager
def _opened(source: Path | bytes) -> Iterator[tuple[Image.Image, str]]:
    """The picture, its pixels not yet read, and its name; whatever Pillow raises inside names it."""
    name = "the given bytes" if isinstance(source, bytes) else str(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is an error
            with _pillows(source) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise EmosymError(
                        "data.large-image",
                        f"{name}: {image.width} x {image.height} pixels, more than {MOST_PIXELS:,}",
                        hint="save it smaller",
                    )
                yield image, name
    except FileNotFoundError as error:
        raise EmosymError("data.missing-image", f"{name}: no such file", hint="check the path") from error
    except EmosymError:
        raise
    except Exception as error:  # decoders raise what they like: struct.error, SyntaxError, ValueError …
        unknown = isinstance(error, UnidentifiedImageError)
        why = f"no {', '.join(FORMATS)}" if unknown else first_line(error)
        hint = "open it in a viewer, save it again as JPEG or PNG"
        if (known := why_unreadable(source)) is not None:
            why, hint = known
        raise EmosymError("data.bad-image", f"{name}: not a readable image ({why})", hint=hint) from error


def _pillows(source: Path | bytes) -> Image.Image:
    """The picture as Pillow opens it; what reads HEIC is loaded for the first picture that is one."""
    file: BytesIO | Path = BytesIO(source) if isinstance(source, bytes) else source
    try:
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        if not (is_heic(source) and reads_heic()):
            raise
    return Image.open(file, formats=("HEIF",))


def _rgb(image: Image.Image, name: str) -> Image.Image:
    """As RGB of 8 bits. Pillow itself would cut larger numbers off at 255."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;"):
        return image.convert("RGB")
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    scale = 1.0 if image.mode == "F" else 65535.0
    if not (np.isfinite(values).all() and low >= 0 and high <= scale):
        raise EmosymError(
            "data.bad-image",
            f"{name}: its numbers go from {low:g} to {high:g}, and grey pictures from 0 to {scale:g}",
            hint="save it with 8 bits a channel",
        )
    return Image.fromarray((values / scale * 255).round().astype(np.uint8)).convert("RGB")


@dataclass(frozen=True)
class Sample:
    """One image, or several that are read together, and what is known of it."""

    id: str
    """Unique in its dataset and stable between runs."""
    images: tuple[ImageSource, ...]
    label: int | None = None
    """An index into the run's label set, None where unlabelled; where only ``target`` is given, its largest share."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Annotations such as ``scene`` (str), ``object`` (list of str), ``brightness`` and ``colorfulness`` (0 to 1), and texts
    such as ``reasoning``."""
    generated: bool = False
    """Whether it is an image of the memory bank."""
    target: tuple[float, ...] | None = None
    """C shares that sum to one, such as annotators' votes or soft labels; the cross entropy and metrics of distributions
    use them in place of ``label``."""
    target_image: int = 0
    """Which of several images generation learns to paint."""

    def __post_init__(self) -> None:
        if self.target is None:
            return
        if min(self.target) < 0 or abs(sum(self.target) - 1) > 1e-3:
            raise EmosymError(
                "data.bad-target",
                f"sample {self.id}: target {list(self.target)} is no distribution",
                hint="give every emotion a share of 0 or more, which sum to one: votes divided by their number",
            )
        if self.label is None:
            object.__setattr__(self, "label", max(range(len(self.target)), key=self.target.__getitem__))

    @classmethod
    def of(cls, image: ImageSource | str | Sample, number: int = 0) -> Sample:
        """An image in whatever form: a path names itself, others are numbered."""
        if isinstance(image, Sample):
            return image
        if isinstance(image, (str, Path)):
            return cls(str(image), (Path(image),))
        return cls(f"image-{number}", (image,))

    def open(self) -> list[Image.Image]:
        """The pictures as RGB; a broken file is an error that names the sample."""
        return [self._opened(source) for source in self.images]

    def decoded(self) -> Sample:
        """The same sample, its files decoded now; what is kept of a picture knows it by its file as before."""
        images = (
            DecodedFile.of(one, self._opened(one)) if isinstance(one, Path) else one for one in self.images
        )
        return replace(self, images=tuple(images))

    @property
    def target_source(self) -> ImageSource:
        """The picture that generation learns to paint, not opened. Errors: ``data.no-target-image``."""
        if not 0 <= self.target_image < len(self.images):
            raise EmosymError(
                "data.no-target-image",
                f"sample {self.id}: target_image is {self.target_image}, it has {len(self.images)} images",
                hint="count from 0",
            )
        return self.images[self.target_image]

    def open_target(self) -> Image.Image:
        """The picture that generation learns to paint, as RGB. Errors: ``data.no-target-image``."""
        return self._opened(self.target_source)

    def _opened(self, source: ImageSource) -> Image.Image:
        try:
            return open_image(source)
        except EmosymError as error:
            raise EmosymError(error.id, f"sample {self.id}: {error.message}", hint=error.hint) from error
