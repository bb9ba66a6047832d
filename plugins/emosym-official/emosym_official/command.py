"""``emosym import``: bring trained weights of other programs into a saved system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emosym.cli.columns import columns
from emosym.cli.common import DeviceOption, SetOption, registry_for

if TYPE_CHECKING:
    from emosym_official.report import Report

app = typer.Typer(help="Bring trained weights of other programs into a saved system.", no_args_is_help=True)


@app.callback()
def _import() -> None:
    """Bring trained weights of other programs into a saved system."""


@app.command("official")
def official(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with adapter_config.json.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="SYSTEM", help="The system's folder; it must not exist yet.")
    ],
    spec: Annotated[
        str,
        typer.Option(
            "--spec", metavar="SPEC", help="Says what the checkpoint does not: models, data, stages."
        ),
    ],
    sets: SetOption = None,
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", metavar="MODEL", help="Short for --set backbone.params.model=MODEL."),
    ] = None,
    diffusion: Annotated[
        str | None,
        typer.Option("--diffusion", metavar="MODEL", help="Short for --set diffusion.params.model=MODEL."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            metavar="A,B,…",
            help="Emotions in the order of the checkpoint's head; EmoSet's by default.",
        ),
    ] = None,
    mappers: Annotated[
        Path | None, typer.Option("--mappers", metavar="DIR", help="Where mapper.pth lies; DIR by default.")
    ] = None,
    emotion_space: Annotated[
        Path | None,
        typer.Option(
            "--emotion-space",
            metavar="DIR",
            help="Where awe_cls_fea_mean.pt … lie; DIR/emotion_space by default.",
        ),
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Read a checkpoint that the EmoSym authors' code wrote into a system that understand and generate use."""
    from emosym.spec import plugins_only

    chosen = [
        f"{key}.params.model={model}"
        for key, model in (("backbone", backbone), ("diffusion", diffusion))
        if model
    ]
    registry = registry_for(context.obj, plugins_only(spec))
    from emosym_official import Places, import_official

    report = import_official(
        Places(folder, mappers, emotion_space),
        out,
        spec=spec,
        registry=registry,
        sets=[*(sets or []), *chosen],
        labels=[name.strip() for name in labels.split(",")] if labels else None,
        device=device or "cpu",
    )
    _print_report(report, out)


def _print_report(report: Report, out: Path) -> None:
    print(columns(("file", "holds", "becomes", "shape"), report.rows()))
    for what, count in report.not_read.items():
        print(f"not read: {what} ({count} tensors)")
    if report.unread:
        print(f"not opened: {', '.join(report.unread)}")
    if report.unchanged:
        print(f"equal to the base model: {report.unchanged} tensors")
    for note in report.notes:
        print(f"note: {note}")
    print(f"system: {out}")
