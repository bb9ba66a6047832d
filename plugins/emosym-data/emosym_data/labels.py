"""From the names a dataset uses to the labels of a run."""

from __future__ import annotations

from collections.abc import Sequence

from emosym_registry import EmosymError

from emosym.contracts import MIKELS_8, POSITIVE, LabelSet

BINARY = {"negative", "positive"}


class Labeller:
    """Maps emotion names to the run's labels: the same names in any order and case, or Mikels' eight to binary."""

    def __init__(self, labels: LabelSet, emotions: Sequence[str], who: str) -> None:
        self.labels = labels
        given, own = {one.casefold() for one in emotions}, {one.casefold() for one in labels.names}
        self.binary = own == BINARY and given <= set(MIKELS_8)
        if not self.binary and given != own:
            raise EmosymError(
                "spec.labels-do-not-fit",
                f"{who} has {', '.join(emotions)}; the spec's labels are {', '.join(labels.names)}",
                hint="set labels to the dataset's own names, or to binary where it has Mikels' eight",
            )

    def __call__(self, emotion: str) -> int:
        """The label of ``emotion``."""
        if self.binary:
            return self.labels.index("positive" if emotion.casefold() in POSITIVE else "negative")
        return self.labels.index(emotion)
