"""``emosym ablate``: a study, from its file or from one line, to its table."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from emosym_registry import EmosymError

from emosym.cli import completion
from emosym.cli.common import (
    DeviceOption,
    JsonOption,
    PrecisionOption,
    SetOption,
    TrustOption,
    registry_for,
    say_notes,
)
from emosym.cli.failures import TERMINATED, StoppedError
from emosym.cli.run import StoreOption
from emosym.cli.saying import say

if TYPE_CHECKING:
    from emosym_registry import Registry

    from emosym.ablation.study import Study

STUDIES = Path("studies")
SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY|SPEC",
        help="A study's YAML file, or a spec to --vary.",
        autocompletion=completion.studies,
    ),
]
VaryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--vary",
        metavar="KEY=VALUE,VALUE",
        help="An axis of a grid over a spec, as in diffusion.name=sd,sdxl; repeatable.",
    ),
]


def ablate(
    context: typer.Context,
    source: SourceArgument,
    varied: VaryOption = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="How many seeds; 3 where nothing says so.")
    ] = None,
    sets: SetOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The study's folder; studies/NAME by default."),
    ] = None,
    store: StoreOption = None,
    executor: Annotated[
        Literal["local", "ray", "slurm"], typer.Option("--executor", help="Where cells run.")
    ] = "local",
    processes: Annotated[int, typer.Option("--processes", min=1, help="How many cells run at a time.")] = 1,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--engine",
            metavar="KEY=VALUE",
            help="A parameter of the executor: address (ray), slurm_partition, timeout_min … (slurm); repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every cell and say what would run and cost; run nothing.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try cells again that have failed.")] = False,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke", help="Two steps of each stage and a tiny evaluation, to see that all cells run."
        ),
    ] = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a study: every cell, each shared stage once, and the table that compares its rows.

    Called again it goes on: with what is left, with rows and seeds that were added. Several calls on one folder share the work.
    """
    engine = _parameters(parameters, executor)
    study, registry = load(context, source, varied, sets, seeds)
    path = out if out is not None else STUDIES / (f"{study.file.name}-smoke" if smoke else study.file.name)
    say("looking at the study's folder")
    from emosym.ablation.ablate import ablate as run_study, compared, estimate, failures, undeclared
    from emosym.ablation.folder import StudyFolder
    from emosym.ablation.study import Budget, plan
    from emosym.ablation.worker import Options
    from emosym.training.stopping import Terminated, listening_to_signals

    folder = StudyFolder(path, store if store is not None else path / "stages")
    if dry_run:
        others = [
            one.parent
            for one in (*Path("runs").glob("*/summary.json"), *STUDIES.glob("*/cells/*/summary.json"))
        ]
        foreseen = estimate(study, folder, registry, processes, others)
        if as_json:
            print(json.dumps({**plan(study), "estimate": list(foreseen)}, indent=2, default=str))
        else:
            print("\n".join([*listing(study), *foreseen]))
        return
    options = Options(
        device=device or "",
        precision=precision or "",
        smoke=smoke,
        trust_remote_code=trust_remote_code,
        no_plugin=tuple(context.obj.no_plugin),
    )
    for sentence in undeclared(study):
        print(f"warning: {sentence}", file=sys.stderr)
    again = _again(source, varied, sets, seeds, path)
    try:
        with listening_to_signals():
            cells = run_study(
                study,
                folder,
                executor=executor,
                processes=processes,
                options=options,
                retry=retry,
                parameters=engine,
                say=say,
            )
    except KeyboardInterrupt as stopped:
        status = TERMINATED if isinstance(stopped, Terminated) else 130
        raise StoppedError(f"stopped; continue with:\n  {again}", status) from None
    from emosym.cli.compare import terminal
    from emosym.report.study.write import write_study

    table = compared(study, folder, cells, again)
    paths = write_study(table, path)
    shown = sys.stderr if as_json else sys.stdout
    print(paths[-1].read_text(encoding="utf-8") if as_json else terminal(table))
    print(f"report: {paths[0]}", file=shown)
    if study.file.evidence is not None and not smoke:
        from emosym.report.study.evidence import write_evidence

        evidence = write_evidence(table, Path(source).parent / study.file.evidence)
        print(f"evidence: {evidence[0]}", file=shown)
    failed = failures(folder, cells)
    open_ = sum(folder.state(cell) in ("open", "running") for cell in cells)
    if open_:
        spent = "the budget of this call is spent; " if study.file.budget != Budget() else ""
        print(f"{open_} cells are not done: {spent}the same command goes on", file=sys.stderr)
    if failed:
        print(
            "\n".join(["failed (try again with --retry):", *(f"  {line}" for line in failed)]),
            file=sys.stderr,
        )
        raise typer.Exit(1)


def load(
    context: typer.Context, source: str, varied: list[str] | None, sets: list[str] | None, seeds: int | None
) -> tuple[Study, Registry]:
    """The study of a file or of ``--vary``, checked, and the registry it is for."""
    from emosym.ablation.study import is_study, load_study, read_study, vary
    from emosym.spec import plugins_only

    if varied and is_study(source):
        raise EmosymError(
            "study.vary-a-study",
            f"{source} is a study, and --vary makes one of a spec",
            hint="write a grid: into it",
        )
    if not varied and not is_study(source):
        raise EmosymError(
            "study.nothing-varies",
            f"{source} is a spec, and nothing says what is to vary",
            hint="give --vary key=value,value, or a study: emosym study new",
        )
    root, folder = vary(source, varied, seeds) if varied else read_study(Path(source))
    base = root.fields.get("base")
    only = None
    if base is not None and isinstance(base.value, str):
        only = plugins_only(base.value, sets or (), folder)
    registry = registry_for(context.obj, only)
    study = load_study(root, folder, registry, sets=sets or (), seeds=seeds)
    say_notes(study.messages)
    return study, registry


def listing(study: Study) -> list[str]:
    """The rows of a study with what they override."""
    from emosym.cli.columns import columns
    from emosym.spec.text import inline

    rows = [
        (row.name, "; ".join(f"{key}={inline(value)}" for key, value in row.overrides.items()), row.comment)
        for row in study.rows
    ]
    return [columns(("row", "overrides", "comment"), rows), ""]


def _again(
    source: str, varied: list[str] | None, sets: list[str] | None, seeds: int | None, out: Path
) -> str:
    """The command that makes the study again."""
    words = ["emosym", "ablate", source, *(f"--vary={text}" for text in varied or ())]
    words += [f"--set={text}" for text in sets or ()] + ([f"--seeds={seeds}"] if seeds else [])
    return shlex.join([*words, "--out", str(out)])


def _parameters(texts: list[str] | None, executor: str) -> dict[str, Any]:
    """What goes to the executor; values are numbers where they are written so."""
    found: dict[str, Any] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or executor == "local":
            why = "local takes none" if executor == "local" else "expected KEY=VALUE"
            raise EmosymError(
                "study.bad-engine",
                f"--engine {text}: {why}",
                hint="for example --executor slurm --engine slurm_partition=gpu",
            )
        found[key] = int(value) if value.isdecimal() else value
    return found
