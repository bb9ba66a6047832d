"""What metrics of generation are computed from: generated pictures, and real ones beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from emosym_registry import EmosymError
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from emosym.contracts import Context, Evidence, Judge, Sample

if TYPE_CHECKING:
    from emosym_metrics.seers import Seer

Pictures = Sequence[Image.Image]


class Opened(Sequence[Image.Image]):
    """The pictures of some items, each opened when it is looked at, so that no more than a batch of them need be in
    memory."""

    def __init__(self, items: Sequence[Any], look: Callable[[Any], Image.Image]) -> None:
        self._items: Sequence[Any] = items
        self._look: Callable[[Any], Image.Image] = look

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> Image.Image: ...
    @overload
    def __getitem__(self, place: slice) -> list[Image.Image]: ...
    def __getitem__(self, place: int | slice) -> Image.Image | list[Image.Image]:
        if isinstance(place, slice):
            return [self._look(item) for item in self._items[place]]
        return self._look(self._items[place])


def generated_pictures(evidence: Evidence) -> Pictures:
    """The generated pictures. Errors: ``metric.no-images`` where there is none."""
    if not evidence.generated:
        raise EmosymError(
            "metric.no-images", "there is no generated image to measure", hint="run the unify stage first"
        )
    return Opened(evidence.generated, lambda one: one.image)


def pictures_of(samples: Sequence[Sample]) -> Pictures:
    """The pictures that generation would learn to paint of samples."""
    return Opened(samples, Sample.open_target)


def both_sides(
    who: str, seer: Seer, evidence: Evidence, batch_size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features [N,F] of the real and [M,F] of the generated pictures. Errors: ``metric.no-images``,
    ``metric.no-real``."""
    generated = generated_pictures(evidence)
    if not evidence.real:
        raise EmosymError(
            "metric.no-real",
            f"{who} compares with real pictures, and there are none",
            hint="name them with --real",
        )
    real, made = (
        batched(seer.features, pictures, batch_size) for pictures in (pictures_of(evidence.real), generated)
    )
    return real, made


def sets(name: str, evidence: Evidence) -> Iterator[tuple[str, Pictures, NDArray[np.int64]]]:
    """Figure, pictures and their emotions: ``NAME`` of the generated ones and, where there are real ones,
    ``NAME_real``. Errors: ``metric.no-images``."""
    yield name, generated_pictures(evidence), evidence.generated_labels
    if evidence.real:
        yield f"{name}_real", pictures_of(evidence.real), evidence.real_labels


def judge_of(evidence: Evidence, context: Context) -> Judge:
    """The evaluation judge. Errors: ``metric.no-judge``."""
    if evidence.judge is None:
        raise EmosymError(
            "metric.no-judge",
            f"{context.component} needs a judge, this run has none",
            hint="add judges.evaluate, another one than the reward's and the bank's",
        )
    return evidence.judge


def batched(look: Callable[[Pictures], Tensor], pictures: Pictures, size: int) -> NDArray[np.float64]:
    """What ``look`` says of all pictures, ``size`` at a time."""
    parts = (look(pictures[i : i + size]) for i in range(0, len(pictures), size))
    return np.concatenate([part.double().cpu().numpy() for part in parts])
