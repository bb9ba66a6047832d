"""What datasets are checked on: all their samples, the first pictures of each split, and files that are not
there."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from emosym.contracts import SPLITS, Dataset, Sample
from emosym.testing.generic import ComponentSuite

OPENED = 8
"""Pictures opened of each split."""


class DatasetBase(ComponentSuite):
    """A dataset with sound files, and the same dataset without them."""

    kind = "dataset"
    contract: ClassVar[type] = Dataset

    def every(self) -> Iterator[tuple[str, Sample]]:
        """All samples with the names of their splits."""
        for name in SPLITS:
            yield from ((name, sample) for sample in self.subject.split(name))

    def opened(self) -> Iterator[Sample]:
        """The first few samples of each split."""
        for name in SPLITS:
            yield from itertools.islice(self.subject.split(name), OPENED)

    def elsewhere(self) -> Mapping[str, Any] | None:
        """:meth:`parameters` with every file and folder replaced by one that is not there; None where there
        is none."""
        params = dict(self.parameters())
        gone = {
            name: type(value)(self.folder / f"gone-{name}")
            for name, value in params.items()
            if isinstance(value, str | Path) and Path(value).exists()
        }
        return {**params, **gone} if gone else None


def identity(source: Any) -> str:
    """The file of a picture, or a hash of its bytes."""
    if isinstance(source, Path):
        return str(source.resolve())
    content = source.tobytes() if isinstance(source, Image.Image) else bytes(source)
    return hashlib.sha256(content).hexdigest()


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


FORMS = {
    "scene": _text,
    "object": lambda value: isinstance(value, list) and all(_text(one) for one in value),
    "brightness": _share,
    "colorfulness": _share,
    "reasoning": _text,
}
"""Annotations of the contract and whether a value has their form."""
