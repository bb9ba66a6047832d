"""Recipes: what a PNG says of how it was made, and making the same picture again. Imports no torch."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emosym.contracts import ImageSource, open_image
from emosym.contracts.reading import RECIPE
from emosym.request import Request, file_of

LIBRARIES = ("emosym", "torch", "diffusers", "transformers", "pillow")
"""Packages on which the bytes of a picture depend, beside those of the plugins that made it."""


class Maker(BaseModel):
    """The system that made a picture: the ``name`` of its spec and the ``hash`` of all that its pictures depend on."""

    model_config = ConfigDict(frozen=True)

    name: str
    hash: str


class Recipe(BaseModel):
    """All that is needed to make a picture's bytes again on the same kind of machine.

    One of ``emotion``, ``mixture``, ``valence`` and ``image`` is what was evoked; ``settings`` are the numbers that
    were used, defaults included; ``pictures`` has the hash of the ``image`` and of the picture painted ``onto``.
    """

    model_config = ConfigDict(frozen=True)

    emotion: str | None = None
    mixture: dict[str, float] | None = None
    valence: float | None = None
    image: str | None = None
    prompt: str
    seed: int
    settings: dict[str, Any]
    pictures: dict[str, str] = Field(default_factory=dict)
    system: Maker
    device: str
    precision: str
    versions: dict[str, str]
    flagged: bool | None = None
    """True where a safety checker has made the picture black; else nothing is said."""

    def request(self, image: Path | None = None, onto: Path | None = None) -> Request:
        """What to paint; ``image`` and ``onto`` say where the pictures lie that it starts from.

        Errors: ``recipe.picture-wanted``, ``recipe.other-picture``, and those of :class:`Request`.
        """
        given = {"image": image, "onto": onto}
        for role, path in given.items():
            self._check_picture(role, path)
        return Request(
            emotion=self.emotion,
            mixture=self.mixture,
            valence=self.valence,
            image=image,
            onto=onto,
            prompt=self.prompt,
            seed=self.seed,
            steps=self.settings.get("steps"),
            guidance_scale=self.settings.get("guidance_scale"),
            strength=self.settings.get("strength"),
        )

    def _check_picture(self, role: str, path: Path | None) -> None:
        name = self.image if role == "image" else self.settings.get("onto")
        if role not in self.pictures:
            if path is not None:
                raise EmosymError(
                    "recipe.picture-unwanted", f"this recipe has no {role}", hint=f"leave out --{role}"
                )
            return
        if path is None:
            what = "was read for its emotion" if role == "image" else "was painted onto"
            raise EmosymError(
                "recipe.picture-wanted",
                f"the recipe needs the picture that {what} ({name}), which it does not hold",
                hint=f"say where it lies: --{role} {name}",
            )
        if picture_hash(path) != self.pictures[role]:
            raise EmosymError(
                "recipe.other-picture",
                f"{path} is not the picture of the recipe ({name})",
                hint=f"find {name}",
            )

    def differences(self, other: Recipe) -> list[str]:
        """What differs between here and there that a picture's bytes depend on; empty where nothing does."""
        facts = [("device", self.device, other.device), ("precision", self.precision, other.precision)]
        names = sorted({*self.versions, *other.versions})
        facts += [(name, self.versions.get(name, "none"), other.versions.get(name, "none")) for name in names]
        if self.system.hash != other.system.hash:
            one, two = (f"{maker.name} ({maker.hash[:12]})" for maker in (self.system, other.system))
            facts.insert(0, ("system", one, two))
        return [f"{name} {one}, here {two}" for name, one, two in facts if one != two]


def read_recipe(file: Path) -> Recipe:
    """The recipe in a PNG.

    Errors: ``recipe.none`` where it has none, ``recipe.incomplete`` where an older emosym wrote it or somebody changed it,
    and those of a picture that cannot be opened.
    """
    open_image(file)  # refuses what is no picture, or a huge one
    with Image.open(file) as image:
        image.load()
        text = getattr(image, "text", {}).get(RECIPE)
    if text is None:
        raise EmosymError(
            "recipe.none",
            f"{file}: no recipe in it",
            hint="give a PNG as emosym wrote it; programs that save a picture again leave the recipe out",
        )
    try:
        return Recipe.model_validate(json.loads(text))
    except (ValidationError, ValueError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else first_line(error)
        raise EmosymError(
            "recipe.incomplete",
            f"{file}: its recipe does not say all that is needed ({why})",
            hint="an older emosym made the picture, or somebody changed the recipe",
        ) from error


def asked(request: Request) -> dict[str, Any]:
    """What was evoked, as a recipe keeps it; a picture by the name of its file."""
    for name in ("emotion", "mixture", "valence"):
        if (given := getattr(request, name)) is not None:
            return {name: dict(given) if isinstance(given, Mapping) else given}
    return {"image": file_of(request.image or "")}


def pictures_of(request: Request) -> dict[str, str]:
    """Hashes of the pictures that a request starts from."""
    given = {"image": request.image, "onto": request.onto}
    return {role: picture_hash(picture) for role, picture in given.items() if picture is not None}


def picture_hash(picture: ImageSource | str) -> str:
    """sha256 of a picture's size and pixels, whatever file they lie in."""
    image = open_image(Path(picture) if isinstance(picture, str) else picture)
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of packages that are installed."""
    found = {"python": platform.python_version()}
    for name in sorted({*LIBRARIES, *packages}):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
