"""What to paint, checked before anything heavy is loaded. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from emosym_registry import EmosymError

from emosym.contracts import PLACEHOLDER, ImageSource, LabelSet

LAST_SEED = 2**63 - 1
"""The largest that every generator of torch takes."""
PROMPT = f"a picture of {PLACEHOLDER}"


@dataclass(frozen=True)
class Request:
    """What to paint; ``System.generate`` says what each field means.

    Errors: ``generate.bad-count``, ``generate.bad-seed``, ``generate.no-placeholder``, ``generate.one-source``, ``generate.strength-alone``,
    ``generate.bad-strength``, ``generate.bad-mixture``.
    """

    emotion: str | None = None
    mixture: Mapping[str, float] | None = None
    image: ImageSource | str | None = None
    n: int = 1
    prompt: str = PROMPT
    seed: int = 0
    steps: int | None = None
    guidance_scale: float | None = None
    strength: float | None = None

    def __post_init__(self) -> None:
        for id, message, hint in self._mistakes():
            raise EmosymError(id, message, hint=hint)

    def _mistakes(self) -> Iterator[tuple[str, str, str]]:
        sources = "give exactly one of an emotion, a mixture and an image"
        given = [name for name in ("emotion", "mixture", "image") if getattr(self, name) is not None]
        if not given:
            yield "generate.one-source", "nothing to evoke", sources
        if len(given) > 1:
            yield "generate.one-source", f"{' and '.join(given)} were both given", sources
        if self.n < 1:
            yield "generate.bad-count", f"cannot make {self.n} images", "give a number of 1 or more"
        if not 0 <= self.seed <= LAST_SEED - self.n:
            yield (
                "generate.bad-seed",
                f"seed {self.seed} is not from 0 to 2**63 - 1 less the number of pictures",
                "picture i takes seed + i",
            )
        if self.prompt.count(PLACEHOLDER) != 1:
            yield (
                "generate.no-placeholder",
                f"the prompt {self.prompt!r} must have {PLACEHOLDER} once",
                'the emotion goes there, as in "a {emotion} street"',
            )
        if self.strength is not None and self.image is None:
            yield (
                "generate.strength-alone",
                "strength says how far to leave an image, and there is none",
                "give an image",
            )
        if self.strength is not None and not 0 <= self.strength <= 1:
            yield "generate.bad-strength", f"strength is {self.strength}", "0 keeps the image, 1 forgets it"
        weights = list((self.mixture or {"": 1.0}).values())
        if min(weights) < 0 or sum(weights) <= 0 or sum(weights) == float("inf"):
            yield (
                "generate.bad-mixture",
                f"no mixture: {dict(self.mixture or {})}",
                "give weights of 0 or more, not all 0",
            )

    @property
    def settings(self) -> dict[str, object]:
        """What is recorded with each picture beside its prompt and seed."""
        return {
            "steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "mixture": self.mixture,
            "strength": self.strength,
        }

    def weights(self, labels: LabelSet) -> list[float]:
        """C class weights that sum to one, of the emotion or the mixture."""
        weights = [0.0] * len(labels)
        for name, weight in (self.mixture or {str(self.emotion): 1.0}).items():
            weights[labels.index(name)] = weight
        total = sum(weights)
        return [weight / total for weight in weights]
