"""``emosym spec new``: a spec to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from emosym_registry import EmosymError

from emosym.cli.common import registry_for


def new(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to write it; NAME.yaml by default.")
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help="The preset to start from.")] = "tiny",
    name: Annotated[
        str | None,
        typer.Option("--name", help="The spec's name; that of FILE by default, or my- and the preset's."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Write every section out, with what each key means.")
    ] = False,
    schema: Annotated[
        str | None,
        typer.Option(
            "--schema",
            metavar="PATH",
            help="Have editors check it against this file of `emosym spec schema --out`.",
        ),
    ] = None,
) -> None:
    """Write a new spec that starts from a preset, with comments that say what can be changed."""

    from emosym.spec.template import new_spec
    from emosym.toolkit import written_whole

    preset = preset.removeprefix("preset:")
    name = name or (file.stem if file is not None else f"my-{preset}")
    path = file if file is not None else Path(f"{name}.yaml")
    if path.exists():
        raise EmosymError(
            "spec.exists", f"{path} exists already", hint="name another FILE, or remove that one first"
        )
    text = new_spec(preset, name, registry_for(context.obj), file=str(path), full=full, schema=schema or "")
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"written: {path}")
