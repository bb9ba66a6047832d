"""Judge: an emotion classifier that is independent of the system."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from PIL import Image
from torch import Tensor

from emosym.contracts.component import Component, ConfigT
from emosym.contracts.sample import Sample
from emosym.toolkit.modes import Frozen


class Judge(Component[ConfigT], Frozen):
    """An emotion classifier that is independent of the system; an ``nn.Module`` that stays in eval mode. ``identity``
    names the weights of every part and the order of labels, not parameters such as a temperature: two judges with the
    same weights are the same judge, whatever the spec calls them, and a run that measures with the judge of its bank is
    refused."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Hash of the weights, stable between processes."""

    @abstractmethod
    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        """[B,C] in the order of the run's labels, rows sum to one, no gradient."""

    @abstractmethod
    def features(self, images: Sequence[Image.Image]) -> Tensor:
        """[B,F] for diversity and retrieval, no gradient."""

    def learn(self, samples: Sequence[Sample]) -> None:
        """Learn from the run's labelled training pictures, before anything else is asked. Called of judges with the capability
        ``within-run`` alone, which have seen no more labels than the system that they judge; the same samples give the same
        judge, and nothing of it trains afterwards."""

    def attributes(self, images: Sequence[Image.Image]) -> list[Mapping[str, str]]:
        """What else the judge reads (``{"scene": …, "object": …}``), empty where it reads nothing else."""
        return [{} for _ in images]
