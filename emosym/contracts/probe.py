"""Probe: the system itself, for metrics that ask what it would do otherwise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from emosym.contracts.sample import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

    from emosym.contracts.states import States

Change = Callable[["Tensor", Sequence[Sample]], "Tensor"]
"""Other tokens [B,T,D] in place of the system's own [B,K+1,D], [CTX]×K then [EMO], for a batch of samples; the last of them
is read as [EMO]. A function of each sample alone, so that a reading does not depend on its batch."""


class Probe(ABC):
    """Reads images through other tokens than the system's own, and paints from other states, without gradients and with its
    weights as they are: interventions on what the system does, which show what its parts carry."""

    @abstractmethod
    def read(
        self, samples: Sequence[Sample], changes: Mapping[str, Change]
    ) -> Mapping[str, tuple[States, NDArray[np.float64]]]:
        """States and probabilities [N,C] under each change, by its name."""

    @abstractmethod
    def paint(self, states: States, seeds: Sequence[int]) -> Sequence[Image.Image]:
        """A picture of each of N states, by the evaluation's prompt, steps and guidance; ``seeds`` [N] give the noise.

        Errors: ``generate.understanding-only`` where the system cannot paint.
        """
