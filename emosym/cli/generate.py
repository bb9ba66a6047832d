"""``emosym generate``: pictures that evoke an emotion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from emosym_registry import EmosymError
from emosym_registry.errors import plural

from emosym.cli import completion
from emosym.cli.again import again
from emosym.cli.common import (
    DeviceOption,
    PrecisionOption,
    SetOption,
    SystemOption,
    TrustOption,
    find_system,
    load_system,
    registry_for,
    say_what_it_knows,
)
from emosym.cli.painting import steps_shown, write
from emosym.cli.saying import say


def generate(
    context: typer.Context,
    emotion: Annotated[
        str | None,
        typer.Option("--emotion", help="The emotion to evoke.", autocompletion=completion.emotions),
    ] = None,
    mixture: Annotated[
        str | None,
        typer.Option("--mixture", metavar="A=X,B=Y", help='Several emotions, as in "awe=0.7,fear=0.3".'),
    ] = None,
    valence: Annotated[
        float | None,
        typer.Option(
            "--valence",
            min=-1,
            max=1,
            help="From -1, all negative emotions alike, over 0 to 1, all positive ones alike.",
        ),
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many pictures.")] = 1,
    prompt: Annotated[
        str | None, typer.Option("--prompt", help='What to paint; "{emotion}" is where the emotion goes.')
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")] = 0,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the PNGs go.")] = Path("generated"),
    image: Annotated[
        Path | None, typer.Option("--image", help="Let the reading of this picture decide the emotion.")
    ] = None,
    onto: Annotated[
        Path | None,
        typer.Option(
            "--onto", metavar="PHOTO", help="Keep the content of this picture, with another emotion."
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength",
            min=0,
            max=1,
            help="Also start from the pixels of --onto or --image: 0 keeps them, 1 forgets them.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=1,
            help="Denoising steps; those of the diffusion head by default (its params, else its model's own).",
        ),
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(
            "--guidance",
            min=0,
            help="Guidance scale, 0 and 1 for none; the head's by default, as with --steps.",
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            "--recipe", metavar="FILE.png", help="Make the picture of this PNG again, byte for byte."
        ),
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway", help="With --recipe: also where system or versions differ, or the bytes will."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: one object a picture, with its recipe.")
    ] = False,
    system: SystemOption = None,
    sets: SetOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Generate pictures that evoke an emotion, or a mixture of several; or with --recipe the same picture again."""
    if recipe is not None:
        again(
            context,
            recipe,
            out,
            image,
            onto,
            system,
            sets,
            device,
            precision,
            trust_remote_code,
            anyway=anyway,
            as_json=as_json,
        )
        return
    weights = parse_mixture(mixture) if mixture is not None else None
    from emosym.contracts.labels import LabelSet
    from emosym.request import PROMPT, Request
    from emosym.spec import load_spec
    from emosym.toolkit import make_folder

    request = Request(
        emotion, weights, image, number, prompt or PROMPT, seed, steps, guidance, strength, valence, onto
    )
    make_folder(out)
    folder = find_system(system)
    spec = folder / "spec.yaml"
    if image is None and spec.is_file():
        # An unknown emotion is told before anything is loaded.
        resolved = load_spec(spec, registry=registry_for(context.obj), sets=sets or (), use=())
        request.weights(LabelSet.of(resolved.spec.labels))
    loaded = load_system(context, folder, sets, device, precision, trust_remote_code, generate=True)
    if image is not None or onto is not None:
        say_what_it_knows(loaded, "backbone", "diffusion")
    say(f"painting {plural(number, 'picture')}")
    with steps_shown() as on_step:
        pictures = loaded.paint(request, on_step=on_step)
    write(pictures, request, loaded.labels.names, out, as_json=as_json)


def parse_mixture(text: str) -> dict[str, float]:
    """``"awe=0.7,fear=0.3"`` as weights; errors say what is wrong with which part."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        try:
            weight = float(value)
        except ValueError:
            weight = -1.0
        if not name or name in weights or not 0 < weight < float("inf"):
            raise EmosymError(
                "cli.bad-mixture",
                f"--mixture: {part.strip()!r} is not EMOTION=WEIGHT with a weight above 0 and each emotion once",
                hint='write it like "awe=0.7,fear=0.3"',
            )
        weights[name] = weight
    return weights
