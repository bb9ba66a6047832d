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
    """Annotated emotions: at least one training image must have one."""
    attributes: tuple[str, ...] = ()
    """Keys of ``Sample.attributes``: at least one training image must have one of them."""
    text: bool = False
    """The text encoder, bound as ``text_encoder``."""
    judge: bool = False
    """The judge of ``judges.reward``, bound as ``judge``."""
    augmentation: bool = False
    """A second reading of changed pictures, bound as ``read``."""


class RewardVerifier(ABC):
    """Scores rollouts, in the stage reinforce; rewards of several verifiers are added by their weights."""

    config: Any
    context: Context
    needs: ClassVar[Needs] = Needs()
    """What the reward reads beside the rollouts."""
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """The lowest and the highest score."""
    verifiable: ClassVar[bool] = True
    """False for a reward that uses the policy's own confidence alone."""

    def bind(self, resources: Mapping[str, Any]) -> None:
        """Receive what ``needs`` asked for: ``judge`` (:class:`Judge`), ``text_encoder``, ``read`` (a function from
        samples to probabilities [B,C], for consistency). Called once, before the first score."""
        self.resources = dict(resources)

    @abstractmethod
    def score(self, rollouts: Rollouts) -> Tensor:
        """[B,G] float32 without gradient, inside ``range``; NaN is an error. Raise on a label set that does not fit
        in ``__init__``."""
