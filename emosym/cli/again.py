"""``emosym generate --recipe``: the picture of a PNG once more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer
from emosym_registry import EmosymError

from emosym.cli.common import load_system
from emosym.cli.painting import steps_shown, write

SAID = ("emotion", "mixture", "valence", "number", "prompt", "seed", "strength", "steps", "guidance")
"""Options whose values a recipe has."""


def again(
    context: typer.Context,
    file: Path,
    out: Path,
    image: Path | None,
    onto: Path | None,
    system: Path | None,
    sets: list[str] | None,
    device: str | None,
    precision: str | None,
    trust_remote_code: bool,
    *,
    anyway: bool,
    as_json: bool,
) -> None:
    """Make the picture of a recipe again, and write it where its bytes are the same.

    Errors: those of :func:`emosym.recipe.read_recipe`, ``recipe.says-it``, ``recipe.other-maker``, ``recipe.other-bytes``.
    """
    given = [name for name in SAID if _was_given(context, name)]
    if given:
        message = (
            f"--recipe says all of it; {', '.join(f'--{name}' for name in given)} would be another picture"
        )
        raise EmosymError("recipe.says-it", message, hint="leave that out, or leave out --recipe")
    from emosym.contracts import open_image
    from emosym.recipe import read_recipe
    from emosym.toolkit import make_folder

    recipe = read_recipe(file)
    request = recipe.request(image, onto)
    make_folder(out)
    device, precision = device or recipe.device, precision or recipe.precision
    loaded = load_system(context, system, sets, device, precision, trust_remote_code, generate=True)
    differs = recipe.differences(loaded.recipe(request))
    if differs and not anyway:
        raise EmosymError(
            "recipe.other-maker",
            f"{file} was made by something else: {'; '.join(differs)}",
            hint="name its system with --system and install those versions, or --anyway",
        )
    with steps_shown() as on_step:
        (picture,) = loaded.paint(request, on_step=on_step)
    same = picture.image.tobytes() == open_image(file).tobytes()
    if not same and not anyway:
        raise EmosymError(
            "recipe.other-bytes",
            f"{file}: made again with the same system and versions, the picture differs",
            hint="another processor or number of threads rounds otherwise, or the file was changed; --anyway keeps it",
        )
    if same and not differs:
        picture = replace(
            picture, recipe=recipe.model_dump(exclude_none=True)
        )  # pictures by the names of then
    write([picture], request, loaded.labels.names, out, as_json=as_json)


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
