"""``emosym generate``: pictures that evoke an emotion."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from emosym_registry import EmosymError
from emosym_registry.errors import plural

from emosym.cli import completion
from emosym.cli.common import (
    DeviceOption,
    PrecisionOption,
    SetOption,
    SystemOption,
    TrustOption,
    load_system,
)
from emosym.cli.saying import quiet, say

if TYPE_CHECKING:
    from emosym.contracts import Generated
    from emosym.request import Request


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
    system: SystemOption = None,
    sets: SetOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Generate pictures that evoke an emotion, or a mixture of several."""
    weights = parse_mixture(mixture) if mixture is not None else None
    from emosym.request import PROMPT, Request
    from emosym.toolkit import file_name, make_folder

    request = Request(
        emotion, weights, image, number, prompt or PROMPT, seed, steps, guidance, strength, valence, onto
    )
    make_folder(out)
    loaded = load_system(context, system, sets, device, precision, trust_remote_code, generate=True)
    say(f"painting {plural(number, 'picture')}")
    with _steps_shown() as on_step:
        pictures = loaded.paint(request, on_step=on_step)
    wanted = _wanted(request)
    for picture in pictures:
        emotions = list(weights) if weights else [loaded.labels.names[picture.label]]
        words = [*emotions] if valence is None else [f"valence{valence:+g}"]
        words += [] if onto is None else ["onto", onto.stem]
        print(save_png(out, file_name("-".join([*words, str(picture.seed)])), picture, wanted))


def _wanted(request: Request) -> dict[str, Any]:
    """What was asked for, as a recipe keeps it: pictures by the names of their files."""
    for name in ("emotion", "mixture", "valence"):
        if (given := getattr(request, name)) is not None:
            return {name: given}
    return {"image": Path(str(request.image)).name}


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


class _steps_shown:  # noqa: N801  a context manager that reads as a phrase
    """A progress bar over denoising steps on a terminal, nothing elsewhere."""

    def __enter__(self) -> Callable[[int, int], None] | None:
        self._progress: Any = None
        if not sys.stderr.isatty() or quiet():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("denoising"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._progress.start()
        task = self._progress.add_task("denoising", total=None)
        return lambda step, steps: self._progress.update(task, completed=step, total=steps)

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()


def save_png(folder: Path, stem: str, picture: Generated, wanted: Mapping[str, Any]) -> Path:
    """Write the PNG with its provenance inside; a different picture of the same name is kept, not overwritten."""
    content = png_bytes(picture, wanted)
    number = 1
    while True:
        path = folder / (f"{stem}.png" if number == 1 else f"{stem}-{number}.png")
        if not path.exists():
            partial = path.with_name(f".{path.name}.part")
            partial.write_bytes(content)
            partial.replace(path)
            return path
        if path.read_bytes() == content:
            return path
        number += 1


def png_bytes(picture: Generated, wanted: Mapping[str, Any]) -> bytes:
    """PNG bytes that depend on the picture and its recipe alone: no time, no path."""
    import io
    import json

    from PIL.PngImagePlugin import PngInfo

    from emosym import __version__

    recipe = {
        "software": f"emosym {__version__}",
        **wanted,
        "prompt": picture.prompt,
        "seed": picture.seed,
        "settings": dict(picture.settings),
    }
    info = PngInfo()
    info.add_text("emosym", json.dumps(recipe, sort_keys=True, default=str))
    buffer = io.BytesIO()
    picture.image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()
