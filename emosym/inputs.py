"""Pictures in the forms that people have them: files, folders, addresses, bytes, Pillow images, arrays and tensors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from emosym_registry import EmosymError
from PIL import Image
from torch import Tensor

from emosym.contracts import SUFFIXES, ImageSource, Reading, Sample
from emosym.contracts.sample import MOST_PIXELS
from emosym.download import is_url, picture_bytes

OnePicture = ImageSource | str | np.ndarray[Any, Any] | Tensor
Picture = OnePicture | Sample
"""One picture: the path or the address (``https://…``) of one, the bytes of a file, what Pillow has opened, an array [H,W] or
[H,W,3 or 4], a tensor [1, 3 or 4,H,W] (both uint8, or floating from 0 to 1), or a sample."""


class Item(Protocol):
    """Something to read: ``named`` by somebody, or found in a folder."""

    @property
    def named(self) -> bool: ...

    def sample(self) -> Sample:
        """What a system reads. Errors: those of opening it."""
        ...


ItemT = TypeVar("ItemT", bound=Item)


@dataclass(frozen=True)
class Given:
    """A picture that somebody gave as the one of a ``number``, or that was found in a folder that they gave."""

    picture: Picture
    number: int = 0
    named: bool = True

    def sample(self) -> Sample:
        """What a system reads; one of a folder is opened now. Errors: those of :func:`as_source` and of opening it."""
        if isinstance(self.picture, Sample):
            return self.picture
        source = as_source(self.picture)
        if is_url(self.picture):
            return Sample(str(self.picture), (source,))
        sample = Sample.of(source, self.number)
        return sample if self.named else sample.decoded()


def is_one(images: object) -> bool:
    """Whether somebody gave one picture, and not a folder or several."""
    if isinstance(images, str | Path) and not is_url(images):
        return not Path(images).is_dir()
    return isinstance(images, str | bytes | Image.Image | np.ndarray | Tensor | Sample)


def given(images: Picture | Iterable[Picture]) -> Iterator[Given]:
    """Every picture in its order; a folder stands for the pictures in it and below it, sorted by path.

    Errors: ``data.no-pictures`` for a folder without one, ``data.no-picture`` for what is none, as it is reached.
    """
    number = 0
    for one in _each(images):
        if isinstance(one, str | Path) and not is_url(one) and Path(one).is_dir():
            for path in below(Path(one), []):
                yield Given(path, number, named=False)
                number += 1
        else:
            yield Given(one, number)
            number += 1


def _each(images: Any) -> Iterable[Picture]:
    if is_one(images) or isinstance(images, str | Path):
        return [images]
    if not isinstance(images, Iterable):
        raise _no_picture(images)
    return images


def as_source(picture: object) -> ImageSource:
    """One picture as what is opened: a path, bytes or a Pillow image.

    Errors: ``data.no-picture``, ``data.bad-array``, and those of :func:`picture_bytes`.
    """
    if is_url(picture):
        return picture_bytes(str(picture))
    if isinstance(picture, str):
        return Path(picture)
    if isinstance(picture, np.ndarray):
        return from_array(picture)
    if isinstance(picture, Tensor):
        return from_tensor(picture)
    if isinstance(picture, Path | bytes | Image.Image):
        return picture
    raise _no_picture(picture)


def _no_picture(given: object) -> EmosymError:
    return EmosymError(
        "data.no-picture",
        f"expected a picture, found {type(given).__name__}",
        hint="give a path, an address, bytes, a Pillow image, an array, a tensor, or a list of them",
    )


def from_tensor(tensor: Tensor) -> Image.Image:
    """A tensor [1, 3 or 4,H,W], uint8 or floating from 0 to 1, as a Pillow image. Errors: ``data.bad-array``."""
    if tensor.ndim != 3 or len(tensor) not in (1, 3, 4):
        hint = "give the pictures of a batch as a list: list(batch)" if tensor.ndim == 4 else ""
        raise _bad(f"a tensor {list(tensor.shape)}, not [1, 3 or 4,H,W]", hint)
    rows = tensor.detach().cpu().permute(1, 2, 0)
    rows = rows.float() if rows.is_floating_point() else rows
    return from_array((rows[..., 0] if rows.shape[2] == 1 else rows).numpy())


def from_array(array: np.ndarray[Any, Any]) -> Image.Image:
    """An array [H,W], [H,W,3] or [H,W,4], uint8 or floating from 0 to 1, as a Pillow image. Errors: ``data.bad-array``,
    ``data.large-image``."""
    shape = list(array.shape)
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (3, 4)) or 0 in shape:
        hint = ""
        if array.ndim == 4:
            hint = "give the pictures of a batch as a list: list(batch)"
        elif array.ndim == 3 and shape[0] in (3, 4):
            hint = "the channels come last: array.transpose(1, 2, 0)"
        raise _bad(f"an array {shape}, not [H,W], [H,W,3] or [H,W,4]", hint)
    if array.shape[0] * array.shape[1] > MOST_PIXELS:
        raise EmosymError(
            "data.large-image",
            f"an array {shape}, of more than {MOST_PIXELS:,} pixels",
            hint="scale it down",
        )
    if array.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(array))
    if not np.issubdtype(array.dtype, np.floating):
        raise _bad(f"an array of {array.dtype}", "convert it: array.astype('uint8')")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # also where either is NaN
        raise _bad(
            f"an array of {array.dtype} from {low:g} to {high:g}", "divide it so that it goes from 0 to 1"
        )
    return Image.fromarray((array.astype(np.float64) * 255).round().astype(np.uint8))


def _bad(what: str, hint: str) -> EmosymError:
    return EmosymError(
        "data.bad-array",
        f"no picture: {what}",
        hint=hint or "pictures are uint8 from 0 to 255, or floating from 0 to 1",
    )


def below(folder: Path, closed: list[str]) -> list[Path]:
    """Files in a folder and in those below it that are called as pictures are, sorted; nothing hidden. Folders that cannot
    be listed are added to ``closed``. Errors: ``data.no-pictures``."""
    found: list[Path] = []
    for root, folders, files in os.walk(
        folder, onerror=lambda error: closed.append(f"{error.filename}: {error.strerror}")
    ):
        folders[:] = [name for name in folders if not name.startswith(".")]
        named = [name for name in files if not name.startswith(".") and name.lower().endswith(SUFFIXES)]
        paths = (Path(root, name) for name in named)
        found += [
            path for path in paths if path.is_file() or not path.exists()
        ]  # no pipes; links to nothing are told
    if not found:
        why = f" ({closed[-1]})" if closed else ""
        raise EmosymError(
            "data.no-pictures",
            f"{folder}: no picture in this folder or below it{why}",
            hint=f"pictures are known by their names ({', '.join(SUFFIXES)}); hidden ones are left out",
        )
    return sorted(found)


def outcomes(
    read: Callable[[list[Sample]], Sequence[Reading]], items: Iterable[ItemT], batch_size: int
) -> Iterator[tuple[ItemT, Reading | EmosymError]]:
    """What ``read`` says of each picture, ``batch_size`` of them in memory at a time; of one out of a folder that cannot be
    read, the error. That of a named one is raised."""
    if batch_size < 1:
        message = f"cannot read {batch_size} pictures at once"
        raise EmosymError("understand.bad-batch-size", message, hint="give a batch size of 1 or more")
    batch: list[tuple[ItemT, Sample]] = []
    for item in items:
        try:
            batch.append((item, item.sample()))
        except EmosymError as error:
            yield item, _passed_over(item, error)
        if len(batch) == batch_size:
            yield from _read(read, batch)
            batch = []
    if batch:
        yield from _read(read, batch)


def _read(
    read: Callable[[list[Sample]], Sequence[Reading]], batch: Sequence[tuple[ItemT, Sample]]
) -> Iterator[tuple[ItemT, Reading | EmosymError]]:
    """A batch, and each picture by itself where one of them is nothing for the system."""
    readings: Sequence[Reading | EmosymError]
    try:
        readings = read([sample for _, sample in batch])
    except EmosymError as error:
        if all(item.named for item, _ in batch):
            raise
        if len(batch) > 1:
            for one in batch:
                yield from _read(read, [one])
            return
        readings = [error]
    for (item, _), reading in zip(batch, readings, strict=True):
        yield item, reading


def _passed_over(item: Item, error: EmosymError) -> EmosymError:
    """The error of a picture out of a folder; that of a named one is raised."""
    if item.named:
        raise error
    return error
