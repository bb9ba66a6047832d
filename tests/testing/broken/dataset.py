"""A correct dataset, and one broken dataset for each check."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any, overload

from emosym_registry import EmosymError

from emosym.contracts import MIKELS_8, SPLITS, ComponentConfig, Dataset, Sample, require_labels
from emosym.testing import DatasetSuite, samples


class Config(ComponentConfig):
    """Parameters of the datasets below."""

    count: int = 16


class Right(Dataset[Config]):
    """The kit's samples, in thirds."""

    def split(self, name: str) -> Sequence[Sample]:
        self.check(name)
        return [self.sample(name, one) for one in self.samples(SPLITS.index(name))]

    def check(self, name: str) -> None:
        require_labels(self.context.labels, MIKELS_8, "this dataset")
        if name not in SPLITS:
            raise EmosymError("data.no-split", f"no split {name!r}", hint=f"splits: {', '.join(SPLITS)}")

    def samples(self, third: int) -> list[Sample]:
        count = self.config.count
        return samples(3 * count)[third * count : (third + 1) * count]

    def sample(self, split: str, one: Sample) -> Sample:
        return dataclasses.replace(one, label=self.label(MIKELS_8[one.label or 0]))

    def label(self, emotion: str) -> Any:
        return self.context.labels.index(emotion)

    def problems(self) -> list[str]:
        try:
            self.check("train")
        except EmosymError as error:
            return [error.message]
        return []

    def facts(self) -> Mapping[str, Any]:
        return {"count": 3 * self.config.count}


class NoTest(Right):
    def samples(self, third: int) -> list[Sample]:
        return super().samples(third) if third < 2 else []


class Shifted(Sequence[Sample]):
    """A lazy split that counts its places from one."""

    def __init__(self, inner: Sequence[Sample]) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return len(self.inner)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: Any) -> Any:
        return self.inner[index] if isinstance(index, slice) else self.inner[index - 1]

    def __iter__(self) -> Any:
        return iter(self.inner)


class OffByOne(Right):
    def split(self, name: str) -> Sequence[Sample]:
        return Shifted(super().split(name))


class NumberedBySplit(Right):
    def split(self, name: str) -> Sequence[Sample]:
        return [dataclasses.replace(one, id=f"{number}") for number, one in enumerate(super().split(name))]


class Leaking(Right):
    """Test pictures are those of train under other ids."""

    def samples(self, third: int) -> list[Sample]:
        here = super().samples(third)
        shown = super().samples(0) if third == 2 else here
        return [dataclasses.replace(one, images=it.images) for one, it in zip(here, shown, strict=True)]


class SplitByRun(Right):
    def samples(self, third: int) -> list[Sample]:
        shuffled = super().samples(third)
        random.Random(self.context.seed).shuffle(shuffled)
        return shuffled


class CountsFromOne(Right):
    def label(self, emotion: str) -> int:
        return super().label(emotion) + 1  # type: ignore[no-any-return]


class FixedOrder(Right):
    def label(self, emotion: str) -> int:
        return MIKELS_8.index(emotion)


class Unchecked(FixedOrder):
    """Gives Mikels' indices whatever the labels of the run."""

    def check(self, name: str) -> None:
        return


class Marked(Right):
    def sample(self, split: str, one: Sample) -> Sample:
        return dataclasses.replace(super().sample(split, one), generated=True)


class NumbersAsText(Right):
    def sample(self, split: str, one: Sample) -> Sample:
        attributes = {**one.attributes, "brightness": str(one.attributes["brightness"])}
        return dataclasses.replace(super().sample(split, one), attributes=attributes)


class Lazy(Right):
    """Annotations that hold a function, which no pickle takes."""

    def sample(self, split: str, one: Sample) -> Sample:
        attributes = {**one.attributes, "caption": lambda: one.id}
        return dataclasses.replace(super().sample(split, one), attributes=attributes)


class Obliging(Right):
    """Takes any other name for train."""

    def split(self, name: str) -> Sequence[Sample]:
        return super().split(name if name in SPLITS else "train")


class Grumbling(Right):
    def problems(self) -> list[str]:
        return [*super().problems(), "ok"]


class Raising(Right):
    def problems(self) -> list[str]:
        self.check("train")
        return []


class Unwritable(Right):
    def facts(self) -> Mapping[str, Any]:
        return {"splits": set(SPLITS)}


def suite(dataset: type[Any]) -> type[DatasetSuite]:
    """The suite of one dataset."""
    return type(dataset.__name__, (DatasetSuite,), {"implementation": dataset, "config": Config})


GOOD = suite(Right)
BROKEN = {
    "dataset.splits": suite(NoTest),
    "dataset.sequence": suite(OffByOne),
    "dataset.ids": suite(NumberedBySplit),
    "dataset.disjoint": suite(Leaking),
    "dataset.stable": suite(SplitByRun),
    "dataset.labels": suite(CountsFromOne),
    "dataset.label-order": suite(FixedOrder),
    "dataset.labels-fit": suite(Unchecked),
    "dataset.pictures": suite(Marked),
    "dataset.attributes": suite(NumbersAsText),
    "dataset.picklable": suite(Lazy),
    "dataset.unknown-split": suite(Obliging),
    "dataset.sound": suite(Grumbling),
    "dataset.problems-told": suite(Raising),
    "dataset.facts": suite(Unwritable),
}
