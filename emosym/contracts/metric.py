"""Metric: figures of what the system understands, or of what it paints."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from PIL import Image

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.sample import Generated, Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emosym.contracts.judge import Judge

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
    seed: int = 0
    """The run's seed, for what a metric draws (a bootstrap)."""

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
    def real_images(self) -> list[Image.Image]:
        """The pictures of ``real`` that generation would learn to paint, in RGB."""
        return [sample.open_target() for sample in self.real]

    @property
    def real_labels(self) -> NDArray[np.int64]:
        """The annotated emotions of ``real``."""
        return _labels([sample.label for sample in self.real])

    @property
    def generated_images(self) -> list[Image.Image]:
        """The pictures of ``generated``."""
        return [one.image for one in self.generated]

    @property
    def generated_labels(self) -> NDArray[np.int64]:
        """The emotions that ``generated`` were made for."""
        return _labels([one.label for one in self.generated])


def _labels(values: Sequence[int | None]) -> NDArray[np.int64]:
    """-1 where there is no label."""
    import numpy as np

    return np.array([-1 if value is None else value for value in values], dtype=np.int64)


class Metric(Component[ConfigT]):
    """One or more figures computed from :class:`Evidence`.

    A figure NAME may have an interval: the figures ``NAME_low`` and ``NAME_high`` are its 95 % bounds, which tables and
    the report show around it. Of ``needs``, ``judge`` is ``judges.evaluate`` and ``diffusion`` a system that paints.
    """

    group: ClassVar[Group] = "understanding"
    """``understanding`` (readings of held-out images) or ``generation`` (pictures): what it is computed from, and where
    ``summary.json`` shows it."""
    figures: ClassVar[Mapping[str, Figure]] = {}
    """How its figures are shown, by name; one that is not listed is shown as a plain number."""

    @abstractmethod
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        """Named figures, each a finite number; the names are the same for every evidence, and no other metric's."""
