"""``emosym run`` and ``emosym train``: an experiment from its spec."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from emosym_registry import EmosymError, did_you_mean

from emosym.cli import completion
from emosym.cli.common import (
    RUNS,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    SetOption,
    SpecArgument,
    TrustOption,
    resolve,
)
from emosym.cli.failures import TERMINATED, StoppedError
from emosym.cli.saying import say

OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run folder; runs/NAME by default.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Continue the run folder where it stopped.")]
SmokeOption = Annotated[
    bool,
    typer.Option(
        "--smoke", help="Two steps of each stage and a tiny evaluation, into runs/NAME-smoke, made anew."
    ),
]
ChangedDataOption = Annotated[
    bool,
    typer.Option(
        "--changed-data",
        help="With --resume: go on although samples or labels have changed since the run began.",
    ),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Finished stages: take those that were trained from the same things, add those trained now.",
    ),
]
TensorBoardOption = Annotated[
    bool, typer.Option("--tensorboard", help="Also write event files for TensorBoard.")
]


def run(
    context: typer.Context,
    spec: SpecArgument,
    sets: SetOption = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
    resume: ResumeOption = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
    changed_data: ChangedDataOption = False,
    store: StoreOption = None,
    tensorboard: TensorBoardOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment: every stage, the evaluation and the report."""
    where = {
        "device": device,
        "precision": precision,
        "trust_remote_code": trust_remote_code,
        "changed_data": changed_data,
        "store": store,
    }
    _execute(context, spec, sets, out, tensorboard, as_json, smoke=smoke, resume=resume, **where)


def train(
    context: typer.Context,
    spec: SpecArgument,
    stage: Annotated[
        list[str],
        typer.Option(
            "--stage", help="compress, reinforce or unify; repeatable.", autocompletion=completion.stages
        ),
    ],
    sets: SetOption = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
    resume: ResumeOption = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
    changed_data: ChangedDataOption = False,
    store: StoreOption = None,
    tensorboard: TensorBoardOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train single stages of an experiment. A later stage goes on from an earlier one with --resume."""
    _check_stages(stage)
    where = {
        "device": device,
        "precision": precision,
        "trust_remote_code": trust_remote_code,
        "changed_data": changed_data,
        "store": store,
    }
    _execute(context, spec, sets, out, tensorboard, as_json, only=stage, smoke=smoke, resume=resume, **where)


def _execute(
    context: typer.Context,
    source: str,
    sets: list[str] | None,
    out: Path | None,
    tensorboard: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run with the ``options`` of :func:`run_experiment`, and print its summary."""

    def folder_of(name: str) -> Path:
        return out if out is not None else _default_folder(name, options)

    resolved, registry = resolve(context.obj, source, sets, folder_of if options["resume"] else None)
    folder = folder_of(resolved.spec.name)
    say("loading torch and the models' libraries")
    from emosym.experiment.progress import show_progress
    from emosym.experiment.run import run_experiment
    from emosym.experiment.trackers import Tracker
    from emosym.training.stopping import Terminated

    _say_if_crowded()
    trackers = [Tracker("tensorboard")] if tensorboard else []
    try:
        with show_progress() as progress:
            summary = run_experiment(resolved, registry, folder, listeners=[progress, *trackers], **options)
    except Terminated:
        raise StoppedError(_how_to_resume(source, sets, folder, options), TERMINATED) from None
    except KeyboardInterrupt:
        raise StoppedError(_how_to_resume(source, sets, folder, options)) from None
    from emosym.cli.columns import tables_of

    report = folder / "report.html"
    if as_json:
        print(json.dumps({"folder": str(folder), **summary}, indent=2))
        return
    print(tables_of(summary))
    if report.is_file():
        print(f"report: {report}")


def _say_if_crowded() -> None:
    """A word where other programs keep half the cores busy and this run would take all of them: threads that wait for one another
    make both many times slower."""
    import torch

    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if busy > cores / 2 and threads > max(1, cores - round(busy)) and not torch.cuda.is_available():
        say(
            f"note: other programs keep about {min(round(busy), cores)} of {cores} cores busy, and this run takes {threads} threads; on a "
            f"crowded machine OMP_NUM_THREADS=1 may be several times faster"
        )


def _check_stages(names: list[str]) -> None:
    from emosym.spec.model import STAGES

    for name in names:
        if name not in STAGES:
            message = f"unknown stage {name!r}; {did_you_mean(name, STAGES)}".rstrip("; ")
            raise EmosymError("cli.unknown-stage", message, hint=f"stages: {', '.join(STAGES)}")


def _default_folder(name: str, options: Mapping[str, Any]) -> Path:
    """``runs/NAME``; a smoke run has its own folder, made anew each time because nothing in it is worth keeping."""
    if not options["smoke"]:
        return RUNS / name
    folder = RUNS / f"{name}-smoke"
    if (folder / "spec.yaml").is_file() and not folder.is_symlink() and not options["resume"]:
        shutil.rmtree(folder)
    return folder


def _how_to_resume(source: str, sets: list[str] | None, folder: Path, options: Mapping[str, Any]) -> str:
    import shlex

    only = options.get("only") or ()
    words = ["emosym", "train" if only else "run", source, "--out", str(folder), "--resume"]
    words += [word for stage in only for word in ("--stage", stage)]
    words += [word for value in sets or () for word in ("--set", value)]
    words += ["--smoke"] if options["smoke"] else []
    words += ["--store", str(options["store"])] if options["store"] else []
    words += ["--trust-remote-code"] if options["trust_remote_code"] else []
    return f"stopped; continue with:\n  {shlex.join(words)}"
