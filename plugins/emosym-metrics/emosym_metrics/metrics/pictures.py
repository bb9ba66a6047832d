"""What metrics of generation are computed from: generated pictures, and real ones beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from emosym_registry import EmosymError
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from emosym.contracts import Context, Evidence, Judge

Pictures = Sequence[Image.Image]


def require_generated(evidence: Evidence) -> None:
    """Errors: ``metric.no-images`` where there is no generated picture."""
    if not evidence.generated:
        raise EmosymError(
            "metric.no-images", "there is no generated image to measure", hint="run the unify stage first"
        )


def sets(name: str, evidence: Evidence) -> Iterator[tuple[str, Pictures, NDArray[np.int64]]]:
    """Figure, pictures and their emotions: ``NAME`` of the generated ones and, where there are real ones,
    ``NAME_real``. Errors: ``metric.no-images``."""
    require_generated(evidence)
    yield name, evidence.generated_images, evidence.generated_labels
    if evidence.real:
        yield f"{name}_real", evidence.real_images, evidence.real_labels


def paired_sets(name: str, evidence: Evidence) -> Iterator[tuple[str, Pictures, NDArray[np.int64]]]:
    """:func:`sets` for what is measured between pictures of one emotion. Errors: ``metric.too-few`` where no emotion has two."""
    for figure, pictures, labels in sets(name, evidence):
        if len(np.unique(labels)) == len(labels):
            side = "generated" if figure == name else "real"
            raise too_few(f"{name} compares pictures of one emotion, and no emotion has two {side} ones here")
        yield figure, pictures, labels


def too_few(why: str) -> EmosymError:
    """The error of a metric that needs two pictures of an emotion."""
    return EmosymError(
        "metric.too-few",
        why,
        hint="measure two pictures or more of each emotion: more held-out ones, and evaluation.per_class of 2 or more",
    )


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
