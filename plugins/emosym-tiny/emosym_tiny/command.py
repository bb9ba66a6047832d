"""``emosym data make``: write the embedded world to a folder of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def make(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    train: Annotated[int, typer.Option(help="Training images, 8 or more.")] = 4000,
    val: Annotated[int, typer.Option(help="Validation images, 8 or more.")] = 400,
    test: Annotated[int, typer.Option(help="Test images, 8 or more.")] = 1000,
    seed: Annotated[int, typer.Option(help="Which world, 0 or more.")] = 0,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels, 16 to 1024.")] = 64,
    wrong: Annotated[
        float, typer.Option(help="Share of the reasoning texts that argue for another emotion, 0 to 1.")
    ] = 0.0,
    workers: Annotated[int, typer.Option(help="Processes that draw, 1 or more.")] = 2,
) -> None:
    """Write the embedded world as a folder in EmoSet's layout."""
    from emosym_registry import EmosymError
    from pydantic import ValidationError

    from emosym_tiny.dataset import make as write

    params = {"train": train, "val": val, "test": test, "seed": seed, "size": size, "wrong": wrong}
    try:
        manifest = write(out, **params, workers=workers)
    except ValidationError as error:
        first = error.errors()[0]
        raise EmosymError(
            "data.bad-world", f"--{first['loc'][0]}: {first['msg']}", hint="emosym data make --help"
        ) from error
    total, best = sum(manifest["splits"].values()), manifest["bayes_accuracy"]
    print(f"{out}: {total} images, Bayes accuracy {best:.4f}, sha256 {manifest['sha256'][:12]}")
