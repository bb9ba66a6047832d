"""``emosym evaluate``: measure the saved system of a run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from emosym.cli.common import (
    DeviceOption,
    JsonOption,
    PrecisionOption,
    RunArgument,
    SetOption,
    TrustOption,
    existing_run,
    registry_for,
)
from emosym.cli.saying import say


def evaluate(
    context: typer.Context,
    run: RunArgument,
    split: Annotated[
        str | None,
        typer.Option(
            "--split", metavar="train|val|test", help="The part of the data; the spec's by default."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="A new folder for the result; RUN/evaluations/SPLIT-NUMBER by default.",
        ),
    ] = None,
    as_json: JsonOption = False,
    sets: SetOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Measure the saved system of a run folder again. The result is a folder of its own, with a report; the run stays as it is.

    As in `emosym evaluate runs/tiny --split val`. It takes as long as the run's own evaluation did (`seconds` in its
    summary.json): under a minute for the demo, hours where thousands of pictures are painted at real size.
    """
    existing_run(run)
    from emosym.spec import plugins_only

    registry = registry_for(context.obj, plugins_only(run / "spec.yaml"))
    say("loading the system")
    from emosym.experiment.summary import evaluate_run

    measured = evaluate_run(
        run,
        sets=sets or (),
        registry=registry,
        split=split,
        device=device or "auto",
        precision=precision or "auto",
        out=out,
        trust_remote_code=trust_remote_code,
    )
    if as_json:
        print(json.dumps(measured, indent=2))
        return
    from emosym.cli.columns import tables_of
    from emosym.toolkit import read_json

    folder = Path(measured["folder"])
    print(
        f"{tables_of(read_json(folder / 'summary.json'))}\nfolder: {folder}\nreport: {folder / 'report.html'}"
    )
