"""``emosym run`` and ``emosym train``: an experiment from its spec."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from emosym.cli.common import (
    RUNS,
    DeviceOption,
    PrecisionOption,
    SetOption,
    SpecArgument,
    TrustOption,
    resolve,
)
from emosym.cli.failures import StoppedError

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
    tensorboard: TensorBoardOption = False,
) -> None:
    """Run an experiment: every stage, the evaluation and the report."""
    _execute(context, spec, sets, out, None, smoke, resume, device, precision, trust_remote_code, tensorboard)


def train(
    context: typer.Context,
    spec: SpecArgument,
    stage: Annotated[list[str], typer.Option("--stage", help="compress, reinforce or unify; repeatable.")],
    sets: SetOption = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
    resume: ResumeOption = False,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    trust_remote_code: TrustOption = False,
    tensorboard: TensorBoardOption = False,
) -> None:
    """Train single stages of an experiment; a later stage goes on from an earlier one with --resume."""
    _check_stages(stage)
    _execute(
        context, spec, sets, out, stage, smoke, resume, device, precision, trust_remote_code, tensorboard
    )


def _execute(
    context: typer.Context,
    source: str,
    sets: list[str] | None,
    out: Path | None,
    only: list[str] | None,
    smoke: bool,
    resume: bool,
    device: str | None,
    precision: str | None,
    trust_remote_code: bool,
    tensorboard: bool,
) -> None:
    resolved, registry = resolve(context.obj, source, sets)
    folder = out if out is not None else _default_folder(resolved.spec.name, smoke, resume)
    try:
        summary = _train_and_evaluate(
            resolved, registry, folder, only, smoke, resume, device, precision, trust_remote_code, tensorboard
        )
    except KeyboardInterrupt:
        raise StoppedError(_how_to_resume(source, sets, folder, only, smoke, trust_remote_code)) from None
    from emosym.cli.tables import print_summary

    print_summary(summary)
    report = folder / "report.html"
    if report.is_file():
        print(f"report: {report}")


def _train_and_evaluate(
    resolved: Any,
    registry: Any,
    folder: Path,
    only: list[str] | None,
    smoke: bool,
    resume: bool,
    device: str | None,
    precision: str | None,
    trust_remote_code: bool,
    tensorboard: bool,
) -> dict[str, Any]:
    from emosym.cli.progress import show_progress
    from emosym.experiment.run import run_experiment
    from emosym.experiment.trackers import default_trackers

    with show_progress() as progress:
        return run_experiment(
            resolved,
            registry,
            folder,
            resume=resume,
            smoke=smoke,
            only=only,
            device=device,
            precision=precision,
            trust_remote_code=trust_remote_code,
            trackers=default_trackers(tensorboard=tensorboard, progress=progress),
        )


def _check_stages(names: list[str]) -> None:
    from emosym_registry import EmosymError, did_you_mean

    from emosym.spec.model import STAGES

    for name in names:
        if name not in STAGES:
            message = f"unknown stage {name!r}; {did_you_mean(name, STAGES)}".rstrip("; ")
            raise EmosymError("cli.unknown-stage", message, hint=f"stages: {', '.join(STAGES)}")


def _default_folder(name: str, smoke: bool, resume: bool) -> Path:
    """``runs/NAME``; a smoke run has its own folder, made anew each time because nothing in it is worth keeping."""
    if not smoke:
        return RUNS / name
    folder = RUNS / f"{name}-smoke"
    if (folder / "spec.yaml").is_file() and not resume:
        shutil.rmtree(folder)
    return folder


def _how_to_resume(
    source: str, sets: list[str] | None, folder: Path, only: list[str] | None, smoke: bool, trust: bool
) -> str:
    import shlex

    words = ["emosym", "train" if only else "run", source, "--out", str(folder), "--resume"]
    words += [word for stage in only or () for word in ("--stage", stage)]
    words += [word for value in sets or () for word in ("--set", value)]
    words += ["--smoke"] if smoke else []
    words += ["--trust-remote-code"] if trust else []
    return f"stopped; continue with:\n  {shlex.join(words)}"
