"""``emosym report``: the page of a run or of an evaluation, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emosym.cli import completion


def report(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A run folder, finished or not, or the folder of an evaluation.",
            autocompletion=completion.runs,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Where the page goes; report.html in the folder by default."
        ),
    ] = None,
) -> None:
    """Make the report of a run or of an evaluation again, of what lies in its folder."""
    from emosym.report.report import write_report

    print(f"report: {write_report(run, out)}")
