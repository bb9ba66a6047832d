"""Metric: figures of what the system understands, or of what it paints."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast, overload

from PIL import Image

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.reading import Generated
from emosym.contracts.sample import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emosym.contracts.judge import Judge
    from emosym.contracts.probe import Probe

T = TypeVar("T")
Group = Literal["understanding", "generation"]


@dataclass(frozen=True)
class Figure:
    """How a figure is shown: in tables, in the report, in studies."""

    title: str
    """What people call it, such as ``macro-F1``."""
    percent: bool = False
    """Whether it is a share of 1 that is shown as a percentage."""
    higher_is_better: bool | None = None
    """None where neither is."""
    headline: bool = False
    """Whether it stands at the top of the report and in the table of stages."""
    beside: str = ""
    """The figure that it is compared with, such as ``emo_a_real``, the same of real pictures."""
    about: str = ""
    """What it measures, in a line for readers of a report; the component's own summary where it is empty."""


class Opened(Sequence[Image.Image]):
    """The pictures of some items, each opened when it is looked at: thousands of files need no more memory than those
    that are looked at together."""

    def __init__(self, items: Sequence[Any], look: Callable[[Any], Image.Image]) -> None:
        self._items = items
        self._look = look

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


@dataclass(frozen=True)
class RewardTable:
    """What the spec's rewards give N samples for each of the C actions, as the system reads them without noise."""

    each: Mapping[str, NDArray[np.float64]]
    """[N,C] by reward, NaN where it does not apply."""
    weights: Mapping[str, float]
    """The spec's weights."""

    def total(self, weights: Mapping[str, float] | None = None) -> NDArray[np.float64]:
        """[N,C] weighted sums, by other ``weights`` than the spec's where they are given. Where a reward does not apply,
        the others stand for it; NaN where none applies."""
        import numpy as np

        weights = self.weights if weights is None else weights
        sums, shares = np.zeros(()), np.zeros(())
        for name, weight in weights.items():
            scores = self.each[name]
            sums = sums + weight * np.nan_to_num(scores)
            shares = shares + weight * np.isfinite(scores)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(shares > 0, sums * (sum(weights.values()) / shares), np.nan))


@dataclass(frozen=True)
class Evidence:
    """What metrics are computed from.

    A metric of the group ``understanding`` is given readings and no pictures, one of ``generation`` pictures and no
    readings; what is not there is None or empty.
    """

    names: tuple[str, ...]
    """The C emotions, in the order of the columns of ``probabilities``."""
    samples: Sequence[Sample] = ()
    """The N held-out samples with a label that were read, with ids and attributes."""
    probabilities: NDArray[np.float64] | None = None
    """[N,C] readings of ``samples``; rows sum to one."""
    real: Sequence[Sample] = ()
    """Held-out samples, opened, at most ``evaluation.per_class`` of each emotion."""
    generated: Sequence[Generated] = ()
    """Pictures that the system made, ``evaluation.per_class`` of each emotion, with prompts and seeds."""
    training: Sequence[Sample] = ()
    """What the system was trained on, opened by whoever looks at it; empty where nobody knows it."""
    judge: Judge[Any] | None = None
    """The evaluation judge (``judges.evaluate``); None where the spec has none."""
    probe: Probe | None = None
    """The system, for metrics that need it to read or paint otherwise than it did (``system`` in ``needs``); None where the
    readings or pictures are of somebody else."""
    rewards: RewardTable | None = None
    """What the spec's rewards say of ``samples``; None where no metric needs ``rewards``."""
    seed: int = 0
    """The run's seed, for what a metric draws (a bootstrap)."""
    read: Callable[[Sequence[Sample], int | None], NDArray[np.float64]] | None = None
    """``read(samples, batch_size)``: reads samples with the system that is measured, so many at once (None: as many as the
    evaluation), from their pictures on, with nothing kept of earlier readings; [N,C]. None where the readings are another
    program's."""
    _kept: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, key: Hashable, work: Callable[[], T]) -> T:
        """What ``work`` gives, which is done at the first call with this ``key`` alone: for what ``compute`` and
        ``per_image`` have in common, or several metrics. A key of a metric's own begins with the metric itself; the
        result is shared and stays as it is."""
        if key not in self._kept:
            self._kept[key] = work()
        return cast(T, self._kept[key])

    def judged(self, which: Literal["real", "generated"], batch_size: int = 64) -> NDArray[np.float64] | None:
        """[M,C], what the judge reads in the ``real`` or the ``generated`` pictures, looked at once and ``batch_size`` at a
        time; None without a judge."""
        judge = self.judge
        if judge is None:
            return None
        images = self.real_images if which == "real" else self.generated_images
        return self.once(("judged", which), lambda: _judged(judge, images, batch_size))

    @property
    def labels(self) -> NDArray[np.int64]:
        """[N], the annotated emotions of ``samples``."""
        return _labels([sample.label for sample in self.samples])

    @property
    def targets(self) -> NDArray[np.float64]:
        """[N,C], the annotated distributions of ``samples``: their ``target``, one-hot labels where they have none."""
        import numpy as np

        rows = np.eye(len(self.names))[self.labels]
        for row, sample in zip(rows, self.samples, strict=True):
            if sample.target is not None:
                row[:] = sample.target
        return rows

    @property
    def real_images(self) -> Sequence[Image.Image]:
        """The pictures of ``real`` that generation would learn to paint, in RGB."""
        return Opened(self.real, Sample.open_target)

    @property
    def training_images(self) -> Sequence[Image.Image]:
        """The pictures of ``training`` that generation learned to paint, in RGB."""
        return Opened(self.training, Sample.open_target)

    @property
    def real_labels(self) -> NDArray[np.int64]:
        """The annotated emotions of ``real``."""
        return _labels([sample.label for sample in self.real])

    @property
    def generated_images(self) -> Sequence[Image.Image]:
        """The pictures of ``generated``."""
        return Opened(self.generated, lambda one: one.image)

    @property
    def generated_labels(self) -> NDArray[np.int64]:
        """The emotions that ``generated`` were made for."""
        return _labels([one.label for one in self.generated])


def _judged(judge: Judge[Any], images: Sequence[Image.Image], batch_size: int) -> NDArray[np.float64]:
    import numpy as np

    parts = [judge.probabilities(images[i : i + batch_size]) for i in range(0, len(images), batch_size)]
    tables = [part.double().cpu().numpy() for part in parts]
    return np.concatenate(tables) if tables else np.zeros((0, len(judge.context.labels)))


def _labels(values: Sequence[int | None]) -> NDArray[np.int64]:
    """-1 where there is no label."""
    import numpy as np

    return np.array([-1 if value is None else value for value in values], dtype=np.int64)


class Metric(Component[ConfigT]):
    """One or more figures computed from :class:`Evidence`.

    A figure NAME may have an interval: the figures ``NAME_low`` and ``NAME_high`` are its 95 % bounds, which tables and
    the report show around it. Of ``needs``, ``judge`` is ``judges.evaluate``, ``diffusion`` a system that paints,
    ``rewards`` those of the spec, ``system`` the system itself (``Evidence.probe``).
    """

    group: ClassVar[Group] = "understanding"
    """``understanding`` (readings of held-out images) or ``generation`` (pictures): what it is computed from, and where
    ``summary.json`` shows it."""
    figures: ClassVar[Mapping[str, Figure]] = {}
    """How its figures are shown, by name; one that is not listed is shown as a plain number."""
    repeatable: ClassVar[bool] = True
    """Whether the same evidence always gives the same figures. False for what depends on the machine and the moment, such as
    time: every run of a study then measures by itself, and takes no figures from another that has the same weights."""

    @abstractmethod
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        """Named figures, each a finite number; the names are the same for every evidence, and no other metric's.

        Errors: ``metric.too-few`` where there are too few pictures for it: a run then leaves the metric out with a warning,
        and goes on.
        """

    def per_image(self, evidence: Evidence) -> Mapping[str, NDArray[np.float64]]:
        """For each of the figures that is a mean over images, what every image contributes: [N] in the order of
        ``evidence.samples``, or of ``evidence.generated`` for the group ``generation``, whose mean is the figure of
        :meth:`compute` to 1e-9. Empty where no figure is one.

        These numbers are kept with the predictions, and studies pair them image by image. Work that both methods need is
        done once by :meth:`Evidence.once`.
        """
        return {}
