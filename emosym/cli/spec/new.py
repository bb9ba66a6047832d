"""``emosym spec new``: a spec to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from emosym_registry import EmosymError

from emosym.cli import completion
from emosym.cli.common import registry_for

if TYPE_CHECKING:
    from emosym.spec.own import Own


def new(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to write it; NAME.yaml by default.")
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            "--preset", metavar="NAME", help="The preset to start from.", autocompletion=completion.presets
        ),
    ] = "tiny",
    name: Annotated[
        str | None,
        typer.Option("--name", help="The spec's name; that of FILE by default, or my- and the preset's."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", metavar="DIR", help="Your pictures: a folder for each emotion, or EmoSet's layout."
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            metavar="A,B,C",
            help="Your emotions; those that the folders are called by, where there are any.",
        ),
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
    """Write a new spec that starts from a preset, with comments that say what can be changed.

    With --folder it is for pictures of your own, and with --labels for emotions of your own: what of the preset does not
    fit them is left out or exchanged, so that it runs as it is written.
    """

    from emosym.spec.template import new_spec
    from emosym.toolkit import written_whole

    preset = preset.removeprefix("preset:")
    name = name or (file.stem if file is not None else f"my-{preset}")
    path = file if file is not None else Path(f"{name}.yaml")
    if path.exists():
        raise EmosymError(
            "spec.exists", f"{path} exists already", hint="name another FILE, or remove that one first"
        )
    text = new_spec(
        preset,
        name,
        registry_for(context.obj),
        file=str(path),
        full=full,
        schema=schema or "",
        own=_own(folder, labels),
    )
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"written: {path}")


def _own(folder: Path | None, labels: str | None) -> Own | None:
    """The data that somebody brings. Errors: ``data.no-folder``."""
    if folder is None and labels is None:
        return None
    from emosym.spec.own import Own, labels_in, layout_of

    given = None if labels is None else labels_of(labels)
    if folder is None:
        return Own(labels=given)
    if not folder.is_dir():
        raise EmosymError("data.no-folder", f"{folder}: no such folder", hint="check the path")
    return Own(folder, layout_of(folder), labels_in(folder) if given is None else given)


def labels_of(text: str) -> str | list[str]:
    """``mikels-8``, ``binary``, or names with commas."""
    from emosym.contracts.labels import LABEL_SETS

    return text if text in LABEL_SETS else [name.strip() for name in text.split(",") if name.strip()]
