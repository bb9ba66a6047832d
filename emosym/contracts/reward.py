"""RewardVerifier: scores rollouts against an annotation or an independent model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from emosym.contracts.data import Context, Rollouts


@dataclass(frozen=True)
class Needs:
    """What must be there for a reward to be computed; the run is refused where it is not."""

    labels: bool = False
    attributes: tuple[str, ...] = ()
    text: bool = False
    judge: bool = False
    augmentation: bool = False


class RewardVerifier(ABC):
    """Scores rollouts. ``verifiable`` is False for a reward that uses the policy's own confidence alone."""

    config: Any
    context: Context
    needs: ClassVar[Needs] = Needs()
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    verifiable: ClassVar[bool] = True

    def bind(self, resources: Mapping[str, Any]) -> None:
        """Receive what ``needs`` asked for: ``judge`` (:class:`Judge`), ``text_encoder``, ``read`` (a function from
        samples to probabilities [B,C], for consistency). Called once, before the first score."""
        self.resources = dict(resources)

    @abstractmethod
    def score(self, rollouts: Rollouts) -> Tensor:
        """[B,G] float32 without gradient, inside ``range``; NaN is an error. Raise on a label set that does not fit
        in ``__init__``."""
