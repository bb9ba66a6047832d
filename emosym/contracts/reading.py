"""What a system makes of images: readings, and images of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from emosym.contracts.notebook import Row, bars, pictured
from emosym.toolkit.files import written_whole

RECIPE = "emosym"
"""The text chunk of a PNG that says how it was made, as JSON."""
SHOWN = 3
"""Emotions of a reading's ``repr``."""
EMBEDDED = (
    "The embedded models have only ever seen small rendered pictures. What they say of a photograph, or paint, shows that "
    "the machinery works, not what the photograph evokes."
)
"""What everybody should know who shows a photograph to a system of embedded models."""


@dataclass(frozen=True)
class Reason:
    """A ``text`` of the knowledge that a system was trained with, and its ``similarity`` (cosine, -1 to 1) to what the
    system sees in an image."""

    text: str
    similarity: float


@dataclass(frozen=True, repr=False)
class Reading:
    """What the system says of one image: the ``emotion``, the probability of every emotion, and of a positive one."""

    id: str
    emotion: str
    probabilities: Mapping[str, float]
    positive: float | None
    """None where the sign of an emotion is not known."""
    text: str | None = None
    """The reason that the system wrote before it answered; None where it reads through reasoning tokens."""
    reasons: tuple[Reason, ...] = ()
    """The knowledge nearest to the states at [CTX], the nearest first; empty where nobody asked why."""
    embedded: bool = False
    """Whether embedded models say it, which know no photographs."""

    def __repr__(self) -> str:
        first = ", ".join(f"{name} {value:.2f}" for name, value in self._ranked()[:SHOWN])
        more = ", …" if len(self.probabilities) > SHOWN else ""
        by = "; by embedded models" if self.embedded else ""
        return f"Reading({self.id!r}: {first}{more}{by})"

    def _repr_html_(self) -> str:
        rows = [Row(name, value, f"{100 * value:.1f} %") for name, value in self._ranked()]
        notes = [] if self.positive is None else [f"positive {100 * self.positive:.1f} %"]
        notes += [] if self.text is None else [self.text]
        notes += [f"{reason.text} ({reason.similarity:.2f})" for reason in self.reasons]
        notes += [EMBEDDED] if self.embedded else []
        return bars(f"{Path(self.id).name}: {self.emotion}", rows, notes)

    def _ranked(self) -> list[tuple[str, float]]:
        return sorted(self.probabilities.items(), key=lambda item: -item[1])


@dataclass(frozen=True, repr=False)
class Generated:
    """An image the system made for ``label``, and how: all that is needed to make the same bytes again."""

    image: Image.Image
    label: int
    seed: int
    prompt: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """What :meth:`png` keeps beside the picture, as plain values: what was evoked and how, the system, device, precision
    and versions. Empty where it was made in the course of a run."""
    flagged: bool = False
    """Whether the diffusion head's safety checker found it unfit to be shown: it is black."""

    def png(self) -> bytes:
        """The picture as PNG with its recipe inside; the bytes depend on nothing else: no time, no path."""
        info = PngInfo()
        info.add_text(RECIPE, json.dumps({**self._known(), **self.recipe}, sort_keys=True, default=str))
        buffer = BytesIO()
        self.image.save(buffer, "PNG", pnginfo=info)
        return buffer.getvalue()

    def save(self, path: Path | str) -> Path:
        """Write :meth:`png` to a file, whole or not at all. Errors: ``run.cannot-write``, ``files.disk-full``."""
        path, content = Path(path), self.png()
        with written_whole(path, len(content)) as partial:
            partial.write_bytes(content)
        return path

    def _known(self) -> dict[str, Any]:
        known = {"prompt": self.prompt, "seed": self.seed, "settings": dict(self.settings)}
        return {**known, "flagged": True} if self.flagged else known

    @property
    def evoked(self) -> str:
        """What it evokes in words: an emotion, a mixture, a valence or a picture; the number of its label where nothing is
        known of it."""
        if "mixture" in self.recipe:
            return ", ".join(f"{name} {weight:g}" for name, weight in self.recipe["mixture"].items())
        if "valence" in self.recipe:
            return f"valence {self.recipe['valence']:+g}"
        return str(self.recipe.get("emotion") or self.recipe.get("image") or f"label {self.label}")

    def __repr__(self) -> str:
        width, height = self.image.size
        return f"Generated({self.evoked}, seed {self.seed}, {self.prompt!r}, {width} x {height})"

    def _repr_html_(self) -> str:
        return pictured(self.image, f"{self.evoked}, seed {self.seed}", self.prompt)
