"""Label sets: which emotions there are, and which of them are positive. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
NEGATIVE = frozenset({"anger", "disgust", "fear", "sadness", "negative"})
SIGNS = {"positive": True, "negative": False}
"""How a label list says the sign of an emotion, and what it means."""


@dataclass(frozen=True)
class LabelSet:
    """An ordered set of emotion names; a label is an index into ``names``.

    ``signs`` are by name whether an emotion is positive, for those that are no names of the field.
    """

    names: tuple[str, ...]
    signs: tuple[tuple[str, bool], ...] = ()

    @classmethod
    def of(cls, value: str | Sequence[str] | Mapping[str, str | None]) -> LabelSet:
        """``"mikels-8"``, ``"binary"``, a list of two or more different names, or such names with their signs
        (``{"happy": "positive", "tired": None}``)."""
        if isinstance(value, str):
            if value in LABEL_SETS:
                return cls(LABEL_SETS[value])
            raise EmosymError(
                "spec.unknown-labels",
                f"unknown label set {short(value)!r}",
                hint='use "mikels-8", "binary" or a list of names',
            )
        names = tuple(value)
        if len(names) < 2 or len({name.casefold() for name in names}) != len(names):
            raise EmosymError(
                "spec.bad-labels", f"a label list needs two or more different names, got {some(names, 20)}"
            )
        given = value if isinstance(value, Mapping) else {}
        signs = {name: sign for name, sign in given.items() if sign is not None}
        wrong = {name: sign for name, sign in signs.items() if sign not in SIGNS}
        if wrong:
            raise EmosymError(
                "spec.bad-labels",
                f"the sign of a label is positive, negative or null, got {wrong}",
                hint="such as {happy: positive, tired: null}",
            )
        return cls(names, tuple((name, SIGNS[sign]) for name, sign in signs.items()))

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Index of ``name``, without regard to case; an unknown name is an error that says what exists."""
        folded = [one.casefold() for one in self.names]
        if name.casefold() not in folded:
            raise unknown("data.unknown-label", "emotion", name, self.names)
        return folded.index(name.casefold())

    def positive(self, index: int) -> bool | None:
        """Whether the label at ``index`` is a positive emotion; None where nobody has said so."""
        name = self.names[index]
        folded = name.casefold()
        return dict(self.signs).get(
            name, True if folded in POSITIVE else False if folded in NEGATIVE else None
        )

    @property
    def signed(self) -> bool:
        """Whether the sign of every emotion is known."""
        return all(self.positive(index) is not None for index in range(len(self)))

    def of_valence(self, valence: float) -> list[float]:
        """C class weights of a valence from −1 to 1: the positive emotions share (1 + valence)/2 equally, the negative
        ones (1 − valence)/2, so that 1 is all positive emotions alike, −1 all negative ones and 0 all that is between.

        Errors: ``spec.unknown-sign``, ``generate.one-sided`` where all emotions have the same sign.
        """
        self.require_signs("valence")
        signs = [bool(self.positive(index)) for index in range(len(self))]
        if all(signs) or not any(signs):
            raise EmosymError(
                "generate.one-sided",
                f"valence goes from negative to positive emotions, and {some(self.names, 20)} are all "
                f"{'positive' if signs[0] else 'negative'}",
                hint="name an emotion or a mixture",
            )
        return [
            (1 + valence) / 2 / sum(signs) if sign else (1 - valence) / 2 / signs.count(False)
            for sign in signs
        ]

    def opposite(self, name: str) -> dict[str, float]:
        """The opposite of an emotion as a mixture: for Mikels' eight the one across the wheel (awe and fear), elsewhere all
        emotions of the other sign alike.

        Errors: ``data.unknown-label``, and those of :meth:`of_valence`.
        """
        place = self.index(name)
        if set(self.names) == set(MIKELS_WHEEL):
            at = MIKELS_WHEEL.index(self.names[place]) + len(MIKELS_WHEEL) // 2
            return {MIKELS_WHEEL[at % len(MIKELS_WHEEL)]: 1.0}
        weights = self.of_valence(-1.0 if self.positive(place) else 1.0)
        return {one: weight for one, weight in zip(self.names, weights, strict=True) if weight}

    def require_signs(self, who: str) -> None:
        """Refuse emotions of unknown sign: ``spec.unknown-sign``."""
        unknown = [name for index, name in enumerate(self.names) if self.positive(index) is None]
        if unknown:
            raise EmosymError(
                "spec.unknown-sign",
                f"{who} needs to know which emotions are positive; of {', '.join(unknown)} nobody has said it",
                hint=f"write labels: {{{unknown[0]}: positive, …}}, or leave {who} out",
            )


def require_labels(labels: LabelSet, expected: Sequence[str], who: str) -> None:
    """Refuse a label set that a component does not fit."""
    if set(labels.names) != set(expected):
        raise EmosymError(
            "spec.labels-do-not-fit",
            f"{who} knows {some(expected, 20)}; the spec's labels are {some(labels.names, 20)}",
            hint=f"choose labels that fit or leave {who} out",
        )
