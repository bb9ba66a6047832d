"""``emosym understand``: read the emotions of pictures."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from emosym_registry import EmosymError
from emosym_registry.errors import capped, plural

from emosym.cli.common import (
    DeviceOption,
    PrecisionOption,
    SetOption,
    SystemOption,
    TrustOption,
    load_system,
    say_what_it_knows,
)
from emosym.cli.pictures import find, read
from emosym.cli.readings import as_dict, as_table, require_writable, writing

REASONS = 3
"""Reasons that ``--why`` gives."""


def understand(
    context: typer.Context,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE|DIR", help="JPEG, PNG, WebP, HEIC … files, and folders to look through."
        ),
    ],
    system: SystemOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one object a picture.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write a .jsonl, .csv or .parquet file, and no table."),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Pictures read at once; fewer need less memory.")
    ] = 32,
    why: Annotated[
        bool, typer.Option("--why", help="Say why: the kept knowledge that is nearest to each picture.")
    ] = False,
    reasons: Annotated[
        int | None,
        typer.Option(
            "--reasons", metavar="N", min=1, help=f"How many reasons --why gives; {REASONS} by default."
        ),
    ] = None,
    sets: SetOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
) -> None:
    """Read the emotion of each picture with a saved system.

    Pictures that were found in a folder and cannot be read are left out and listed at the end; a file that is named itself
    must be sound.
    """
    if out is not None:
        require_writable(out)
    found = find(images)
    count = reasons or (REASONS if why else 0)
    loaded = load_system(context, system, sets, device, precision, trust_remote_code, generate=False)
    if count:
        loaded.require_knowledge()
    say_what_it_knows(loaded, "backbone")
    from emosym.experiment.progress import steps

    shown, number, skipped = [], 0, list(found.closed)
    outcomes = read(loaded, found.pictures, batch_size, why=count)
    with (
        nullcontext()
        if out is None
        else writing(out, loaded.labels.names, texts=loaded.explicit, reasons=count) as write
    ):
        for picture, reading in steps(outcomes, len(found.pictures), "read"):
            if isinstance(reading, EmosymError):
                skipped.append(reading.message)
                continue
            number += 1
            if write is not None:
                write(picture.path, reading)
            if write is None or as_json:
                shown.append((picture.path, reading))
        if not number:
            raise _nothing(skipped)
    if as_json:
        print(json.dumps([as_dict(path, reading) for path, reading in shown], indent=2))
    elif out is None:
        print(as_table(shown))
    else:
        print(f"{out}: {plural(number, 'reading')}")
    if skipped:
        lines = "\n".join(f"  {line}" for line in skipped)
        print(f"warning: left out what cannot be read ({len(skipped):,}):\n{lines}", file=sys.stderr)


def _nothing(skipped: Sequence[str]) -> EmosymError:
    """The error of folders in which no picture is sound."""
    lines = "\n  ".join(["not one of these pictures can be read:", *capped(skipped)])
    return EmosymError("data.nothing-readable", lines, hint="look at one of them in a viewer")
