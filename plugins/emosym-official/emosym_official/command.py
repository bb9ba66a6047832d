"""``emosym import``: bring trained weights of other programs into a saved system."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _import() -> None:
    """Bring trained weights of other programs into a saved system."""


@app.command("official")
def official(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with adapter_config.json.")],
    out: Annotated[Path, typer.Option(metavar="SYSTEM", help="The system's folder; it must not exist yet.")],
    spec: Annotated[
        str, typer.Option(metavar="SPEC", help="Says what the checkpoint does not: models, data, stages.")
    ],
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the spec; repeatable."),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Short for --set backbone.params.model=MODEL.")
    ] = None,
    diffusion: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Short for --set diffusion.params.model=MODEL.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…", help="Emotions in the order of the checkpoint's head; EmoSet's by default."
        ),
    ] = None,
    mappers: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where mapper.pth lies; DIR by default.")
    ] = None,
    emotion_space: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where awe_cls_fea_mean.pt … lie; DIR/emotion_space by default."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "cpu",
) -> None:
    """Read a checkpoint of the EmoSym authors' code into a system that understand and generate use."""
    from emosym_registry import load_registry

    from emosym import plugins_only
    from emosym.contracts import MIKELS_8
    from emosym_official import import_official

    overrides = list(sets or ())
    for part, model in (("backbone", backbone), ("diffusion", diffusion)):
        if model:
            overrides.append(f"{part}.params.model={model}")
    report = import_official(
        folder,
        out,
        spec=spec,
        registry=load_registry(only=plugins_only(spec, overrides), disabled=context.obj.no_plugin),
        sets=overrides,
        labels=[name.strip() for name in labels.split(",")] if labels else MIKELS_8,
        mappers=mappers,
        emotion_space=emotion_space,
        device=device,
    )
    print(report.text())
    print(f"system: {out}")
