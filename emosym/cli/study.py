"""``emosym study``: write, check and look at a study without running it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from emosym_registry import EmosymError

from emosym.cli import completion
from emosym.cli.ablate import SourceArgument, listing, load
from emosym.cli.common import JsonOption, SetOption
from emosym.cli.group import PluginGroup

app = typer.Typer(
    cls=PluginGroup, help="Write, check and look at a study without running it.", no_args_is_help=True
)

TEMPLATE = """\
# A study: emosym ablate {file}
study: 1
name: {name}
base: {base}

# How many seeds, counted on from the base's, or a list of them.
seeds: 3

# Overrides of every row, as --set takes them.
# set: {{stages.compress.epochs: 1}}

# By name, what a row has otherwise: a value, a whole component, null to leave something out. An element of a list goes by
# its name.
rows:
  whole: {{comment: nothing is left out}}
  # no bank: {{memory: null}}

# What is left out, one at a time: a stage, a section, an element of a list, or each of one.
without: [{without}]

# Or every combination of some values:
# grid:
#   backbone.name: [qwen-vl, llava]
#   diffusion.name: [sd, sdxl]

# Which rows are compared; each against the first where nothing is said. A margin also tests whether two are equal.
# pairs:
#   - {{rows: [whole, without reinforce], margins: {{accuracy: 0.01}}}}

# A call begins no new cell beyond this.
# budget: {{hours: 8, disk_gb: 20}}
"""


@app.callback()
def _study() -> None:
    """Write, check and look at a study without running it."""


@app.command("new")
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("study.yaml"),
    base: Annotated[
        str,
        typer.Option(
            "--base",
            metavar="SPEC",
            help="The spec that rows differ from; relative to FILE.",
            autocompletion=completion.specs,
        ),
    ] = "preset:tiny",
) -> None:
    """Write a new study over a spec, with comments that say what can be changed."""
    from emosym.toolkit import written_whole

    if file.exists():
        raise EmosymError(
            "study.exists", f"{file} exists already", hint="name another FILE, or remove that one first"
        )
    text = TEMPLATE.format(
        file=file, name=file.stem, base=base, without="reinforce, rewards, knowledge, memory"
    )
    with written_whole(file) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"written: {file}")


@app.command("check")
def check(
    context: typer.Context, study: SourceArgument, sets: SetOption = None, as_json: JsonOption = False
) -> None:
    """Validate a study and the spec of each of its rows: every problem at once, with its place."""
    loaded, _ = load(context, study, None, sets, None)
    counts = {"rows": len(loaded.rows), "seeds": len(loaded.seeds), "cells": len(loaded.cells)}
    if as_json:
        print(json.dumps({"ok": True, "name": loaded.title, **counts}, indent=2))
        return
    print(
        f"ok: {loaded.title}: {len(loaded.rows)} rows × {len(loaded.seeds)} seeds, {len(loaded.cells)} cells"
    )


@app.command("show")
def show(
    context: typer.Context,
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|FOLDER",
            help="A study's YAML file, or its folder.",
            autocompletion=completion.studies,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show the rows of a study, or what has become of the cells of one that was begun."""
    from emosym.ablation.folder import StudyFolder
    from emosym.ablation.study import plan
    from emosym.cli.columns import columns

    if not Path(study).is_dir():
        loaded, _ = load(context, study, None, None, None)
        print(json.dumps(plan(loaded), indent=2, default=str) if as_json else "\n".join(listing(loaded)))
        return
    folder = StudyFolder.open(Path(study))
    cells = [(cell, folder.state(cell)) for cell in folder.cells()]
    if as_json:
        data = [{**vars(cell), "state": state, "run": str(folder.run(cell))} for cell, state in cells]
        print(json.dumps({**folder.plan, "cells": data}, indent=2))
        return
    rows = [
        (
            ", ".join(cell.rows),
            str(cell.seed),
            state,
            folder.failure(cell).get("message", ""),
            str(folder.run(cell)),
        )
        for cell, state in cells
    ]
    print(columns(("row", "seed", "state", "failed with", "run"), rows, numbers=(1,)))


@app.command("schema")
def schema(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
) -> None:
    """Write the JSON Schema of studies, with which an editor completes and checks."""
    from emosym.ablation.study import StudyFile
    from emosym.spec.schema import DIALECT
    from emosym.toolkit import write_json

    document = {"$schema": DIALECT, **StudyFile.model_json_schema(), "title": "emosym study"}
    if out is None:
        print(json.dumps(document, indent=2))
    else:
        write_json(out, document)
        print(f"written: {out}")
