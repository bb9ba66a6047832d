"""What to paint, checked before anything heavy is loaded. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from emosym_registry import EmosymError

from emosym.contracts import PLACEHOLDER, ImageSource, LabelSet

LAST_SEED = 2**63 - 1
"""The largest that every generator of torch takes."""
PROMPT = f"a picture of {PLACEHOLDER}"


@dataclass(frozen=True)
class Request:
    """What to paint; ``System.generate`` says what each field means.

    Errors: ``generate.bad-count``, ``generate.bad-seed``, ``generate.bad-steps``, ``generate.bad-guidance``,
    ``generate.no-placeholder``, ``generate.one-source``, ``generate.strength-alone``, ``generate.bad-strength``,
    ``generate.bad-mixture``, ``generate.bad-valence``.
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
    valence: float | None = None
    onto: ImageSource | str | None = None

    def __post_init__(self) -> None:
        for id, message, hint in self._mistakes():
            raise EmosymError(id, message, hint=hint)

    def _mistakes(self) -> Iterator[tuple[str, str, str]]:
        sources = "give exactly one of an emotion, a mixture, a valence and an image"
        given = [
            name for name in ("emotion", "mixture", "valence", "image") if getattr(self, name) is not None
        ]
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
        if self.steps is not None and self.steps < 1:
            yield "generate.bad-steps", f"cannot denoise in {self.steps} steps", "give 1 or more, or None"
        if self.guidance_scale is not None and not 0 <= self.guidance_scale < float("inf"):
            yield (
                "generate.bad-guidance",
                f"guidance_scale is {self.guidance_scale}",
                "0 and 1 are none, more follows the prompt more closely; None takes the diffusion head's own",
            )
        if self.prompt.count(PLACEHOLDER) != 1:
            yield (
                "generate.no-placeholder",
                f"the prompt {self.prompt!r} must have {PLACEHOLDER} once",
                'the emotion goes there, as in "a {emotion} street"',
            )
        if self.strength is not None and self.start is None:
            yield (
                "generate.strength-alone",
                "strength says how far to leave an image, and there is none",
                "give an image, or a picture to paint onto",
            )
        if self.valence is not None and not -1 <= self.valence <= 1:
            yield (
                "generate.bad-valence",
                f"valence is {self.valence}",
                "it goes from -1, the negative emotions, to 1, the positive ones",
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
    def start(self) -> ImageSource | str | None:
        """The picture where the denoising may start: the one to paint onto, else the one whose reading decides."""
        return self.image if self.onto is None else self.onto

    @property
    def settings(self) -> dict[str, object]:
        """What is recorded with each picture beside its prompt and seed."""
        return {
            "steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "mixture": self.mixture,
            "valence": self.valence,
            "strength": self.strength,
            "onto": None if self.onto is None else file_of(self.onto),
        }

    def weights(self, labels: LabelSet) -> list[float]:
        """C class weights that sum to one, of the emotion, the mixture or the valence."""
        if self.valence is not None:
            return labels.of_valence(self.valence)
        weights = [0.0] * len(labels)
        for name, weight in (self.mixture or {str(self.emotion): 1.0}).items():
            weights[labels.index(name)] = weight
        total = sum(weights)
        return [weight / total for weight in weights]


def file_of(picture: ImageSource | str) -> str:
    """What a recipe calls a picture: its file without the folder, which says something of a machine alone."""
    return Path(picture).name if isinstance(picture, str | Path) else "a picture"
