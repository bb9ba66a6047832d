"""Sample: one image (or several that are read together) and what is known of it; and what the system makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from PIL import Image, ImageOps, UnidentifiedImageError

ImageSource = Path | bytes | Image.Image


def open_image(source: ImageSource) -> Image.Image:
    """The picture as RGB, turned as its EXIF says. An unreadable one is an :class:`EmosymError` naming it."""
    if isinstance(source, Image.Image):
        return source.convert("RGB")
    name = "the given bytes" if isinstance(source, bytes) else str(source)
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError as error:
        raise EmosymError("data.missing-image", f"{name}: no such file", hint="check the path") from error
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise EmosymError(
            "data.bad-image",
            f"{name}: not a readable image ({error})",
            hint="open it in a viewer, save it again as JPEG or PNG",
        ) from error


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

    def open_target(self) -> Image.Image:
        """The picture that generation learns to paint, as RGB. Errors: ``data.no-target-image``."""
        if not 0 <= self.target_image < len(self.images):
            raise EmosymError(
                "data.no-target-image",
                f"sample {self.id}: target_image is {self.target_image}, it has {len(self.images)} images",
                hint="count from 0",
            )
        return self._opened(self.images[self.target_image])

    def _opened(self, source: ImageSource) -> Image.Image:
        try:
            return open_image(source)
        except EmosymError as error:
            raise EmosymError(error.id, f"sample {self.id}: {error.message}", hint=error.hint) from error


@dataclass(frozen=True)
class Reading:
    """What the system says of one image: the ``emotion``, the probability of every emotion, and of a positive one."""

    id: str
    emotion: str
    probabilities: Mapping[str, float]
    positive: float


@dataclass(frozen=True)
class Generated:
    """An image the system made for ``label``, and how: all that is needed to make the same bytes again."""

    image: Image.Image
    label: int
    seed: int
    prompt: str
    settings: Mapping[str, Any] = field(default_factory=dict)
