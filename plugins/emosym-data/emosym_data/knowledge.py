"""What all text knowledge shares, the shuffled control above all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from typing_extensions import TypeVar

from emosym.contracts import Knowledge, Sample
from emosym_data.config import KnowledgeConfig

KnowledgeConfigT = TypeVar("KnowledgeConfigT", bound=KnowledgeConfig, default=KnowledgeConfig)


class TextKnowledge(Knowledge[KnowledgeConfigT]):
    """Knowledge that has, or has not, one text for a sample.

    With ``shuffle`` the texts of one call change places among its samples, so call it once with the whole
    training set; the order of the samples does not matter.
    """

    @abstractmethod
    def own(self, samples: Sequence[Sample]) -> list[str | None]:
        """The samples' own texts."""

    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        own = self.own(samples)
        return (
            derange([sample.id for sample in samples], own, self.config.shuffle_seed)
            if self.config.shuffle
            else own
        )


def derange(ids: Sequence[str], texts: Sequence[str | None], seed: int) -> list[str | None]:
    """Every text moved to another sample that has one, none kept (one random cycle); None stays None.

    A lone text has nowhere to go and becomes None. The order of ids and texts does not matter.
    """
    owners = sorted((i for i, text in enumerate(texts) if text is not None), key=lambda i: ids[i])
    result: list[str | None] = [None] * len(texts)
    if len(owners) < 2:
        return result
    cycle = np.random.default_rng(seed).permutation(len(owners)).tolist()
    for here, there in zip(cycle, cycle[1:] + cycle[:1], strict=True):
        result[owners[here]] = texts[owners[there]]
    return result
