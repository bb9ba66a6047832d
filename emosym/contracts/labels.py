"""Label sets: which emotions there are, and which of them are positive. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emosym_registry import EmosymError
from emosym_registry.errors import short, some, unknown

MIKELS_8 = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
"""Mikels et al. 2005, in the order of EmoSet's ``info.json``."""

MIKELS_WHEEL = ("amusement", "excitement", "awe", "contentment", "sadness", "disgust", "fear", "anger")
"""The same eight around Mikels' wheel (Zhao et al. 2016): neighbours on the wheel are one step apart."""

LABEL_SETS = {"mikels-8": MIKELS_8, "binary": ("negative", "positive")}
"""Label sets that have a name."""

POSITIVE = frozenset(
    {"amusement", "awe", "contentment", "excitement", "positive", "joy", "love", "happiness", "surprise"}
)


@dataclass(frozen=True)
class LabelSet:
    """An ordered set of emotion names; a label is an index into ``names``."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, value: str | list[str] | tuple[str, ...]) -> LabelSet:
        """``"mikels-8"``, ``"binary"``, or a list of two or more different names."""
        if isinstance(value, str):
            if value in LABEL_SETS:
                return cls(LABEL_SETS[value])
            raise EmosymError(
                "spec.unknown-labels",
                f"unknown label set {short(value)!r}",
                hint='use "mikels-8", "binary" or a list of names',
            )
        names = tuple(value)
        if len(names) < 2 or len(set(names)) != len(names):
            raise EmosymError(
                "spec.bad-labels", f"a label list needs two or more different names, got {some(names, 20)}"
            )
        return cls(names)

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Index of ``name``; an unknown name is an error that says what exists."""
        if name not in self.names:
            raise unknown("data.unknown-label", "emotion", name, self.names)
        return self.names.index(name)

    def positive(self, index: int) -> bool:
        """Whether the label at ``index`` is a positive emotion."""
        return self.names[index] in POSITIVE


def require_labels(labels: LabelSet, expected: Sequence[str], who: str) -> None:
    """Refuse a label set that a component does not fit."""
    if set(labels.names) != set(expected):
        raise EmosymError(
            "spec.labels-do-not-fit",
            f"{who} knows {some(expected, 20)}; the spec's labels are {some(labels.names, 20)}",
            hint=f"choose labels that fit or leave {who} out",
        )
