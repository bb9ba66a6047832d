"""``emosym compare``: run folders that nobody planned as a study, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from emosym_registry import EmosymError

from emosym.cli import completion
from emosym.cli.saying import say

if TYPE_CHECKING:
    from emosym.report.study.results import Results


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Run folders, two or more.", autocompletion=completion.runs),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where the report goes; compare/ beside the first run by default."
        ),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            "--names", metavar="A,B", help="Names of the rows, or one a run: equal names make a row."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Compare runs in one table: intervals, paired differences, cost, pictures. Equal specs but for the seed are one row."""
    import json
    import sys

    say("comparing the runs")
    from emosym.ablation.table import results_of
    from emosym.ablation.unplanned import study_of
    from emosym.report.study.write import write_study

    named = [name.strip() for name in names.split(",")] if names else []
    study, warnings = study_of(runs, named)
    for sentence in warnings:
        print(f"warning: {sentence}", file=sys.stderr)
    folder = out or runs[0].resolve().parent / "compare"
    if (folder / "spec.yaml").exists():
        raise EmosymError("compare.run-folder", f"{folder} is a run folder", hint="choose another --out")
    results = results_of(study)
    paths = write_study(results, folder)
    if as_json:
        print(json.dumps(json.loads(paths[-1].read_text(encoding="utf-8")), indent=2, ensure_ascii=False))
    else:
        print(terminal(results))
    print(f"report: {_shown(paths[0])}", file=sys.stderr if as_json else sys.stdout)


def terminal(results: Results) -> str:
    """The tables of figures, differences and cost for a terminal."""
    from emosym.cli.columns import columns
    from emosym.report.study.tables import letter, study_tables

    parts = []
    for table in study_tables(results):
        if table.id in ("figures", "differences", "cost"):
            notes = [f"[{letter(number)}] {note}" for number, note in enumerate(table.notes)]
            parts.append("\n".join([columns(table.header, table.rows), *notes]))
    return "\n\n".join(parts)


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path
