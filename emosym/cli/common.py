"""What several verbs do in the same way: the registry, the spec, the run folder, the options they share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from emosym_registry import EmosymError

from emosym.cli import completion
from emosym.cli.saying import say

if TYPE_CHECKING:
    from emosym_registry import InstalledPlugin, Registry

    from emosym.cli.globals import Globals
    from emosym.system import System

RUNS = completion.RUNS
NO_RUN = "train one with `emosym run preset:tiny`"

SpecArgument = Annotated[
    str, typer.Argument(metavar="SPEC", help="A YAML file, or preset:NAME.", autocompletion=completion.specs)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a value, as in backbone.name=llava; repeatable.",
        autocompletion=completion.overrides,
    ),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps …")
]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", metavar="NAME", help="auto, fp32, bf16 or fp16.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder.", autocompletion=completion.runs)
]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Let a model's folder run the Python code it brings. Read that code first; a spec cannot allow it.",
    ),
]
SystemOption = Annotated[
    Path | None,
    typer.Option(
        "--system",
        metavar="FOLDER",
        help="A run folder or its system/; the newest under runs/ by default.",
        autocompletion=completion.runs,
    ),
]


def registry_for(settings: Globals, only: Iterable[str] | None = None) -> Registry:
    """The installed plugins, loaded once a command. One that is broken costs one line on stderr and stops nothing."""
    key = None if only is None else tuple(only)
    if key not in settings.registries:
        from emosym_registry import load_registry

        registry = settings.registries[key] = load_registry(only=key, disabled=settings.no_plugin)
        for sentence in registry.unknown_ids:
            print(f"warning: {sentence}", file=sys.stderr)
    return settings.registries[key]


def registry_with(settings: Globals, extra: Sequence[InstalledPlugin]) -> Registry:
    """The installed plugins and ``extra`` ones that are not installed, which take the place of those of the same id.

    A failure of theirs is for the caller to say."""
    from emosym_registry import load_registry
    from emosym_registry.discovery import discover
    from emosym_registry.loading import warn

    ids = {one.id for one in extra}
    installed = [one for one in discover() if one.id not in ids]
    return load_registry(
        installed=[*installed, *extra],
        disabled=settings.no_plugin,
        on_failure=lambda failure: None if failure.plugin in extra else warn(failure),
    )


def resolve(
    settings: Globals,
    source: str,
    sets: Sequence[str] | None,
    run: Callable[[str], Path] | None = None,
) -> tuple[Any, Registry]:
    """The validated spec and the registry it is for. Everything wrong with it is one error that lists all.

    ``run`` gives the folder of a run that goes on by the spec's name: what was kept there of its components is known.
    """
    from emosym.spec import load_again, load_spec, plugins_only, read_saved, spec_name

    overrides = tuple(sets or ())
    registry = registry_for(settings, plugins_only(source, overrides))
    if run is None:
        resolved = load_spec(source, registry=registry, sets=overrides)
    else:
        folder = run("")
        try:
            folder = run(spec_name(source, registry, overrides))
            resolved = load_again(source, registry, overrides, read_saved(folder))
        except EmosymError as error:
            own = folder / "spec.yaml"
            if own.is_file() and own != Path(source):
                error.add_note(f"the run's own spec is whole: emosym run {own} --out {folder} --resume")
            raise
    say_notes(resolved.messages)
    return resolved, registry


def say_notes(messages: Iterable[str]) -> None:
    """What somebody should know of a spec, in one line on stderr that is the same each time; not with ``--quiet``."""
    if messages := sorted(set(messages)):
        say(f"note: {'; '.join(messages)}")


def find_system(given: Path | None) -> Path:
    """The folder of a saved system: ``given`` itself, its ``system/``, or that of the newest run (said on stderr)."""
    if given is not None:
        if not given.is_dir():
            raise EmosymError("system.missing", f"{given}: no such folder", hint=_runs_hint())
        _require_end(given)
        return given / "system" if (given / "system").is_dir() else given
    runs = saved_runs()
    if not runs:
        smoke = [f"; a smoke run: --system {run}" for run in saved_runs(smoke=True)[-1:]]
        raise EmosymError(
            "system.none",
            f"no saved system under {RUNS}/",
            hint=f"{NO_RUN}, or name one with --system" + "".join(smoke),
        )
    say(f"system: {runs[-1] / 'system'}")
    return runs[-1] / "system"


def load_system(
    context: typer.Context,
    given: Path | None,
    sets: Sequence[str] | None,
    device: str | None,
    precision: str | None,
    trust_remote_code: bool,
    *,
    generate: bool,
) -> System:
    """The saved system that the options name; notes of what was dropped from its spec go to stderr."""
    folder = find_system(given)
    registry = registry_for(context.obj)
    say("loading the system")
    from emosym.system import System

    system = System.load(
        folder,
        sets=sets or (),
        generate=generate,
        device=device or "auto",
        precision=precision or "auto",
        registry=registry,
        trust_remote_code=trust_remote_code,
    )
    say_notes(system.resolved.messages)
    return system


def say_what_it_knows(system: System, *paths: str) -> None:
    """A word, unless ``--quiet``, before a system with embedded models at one of these paths is shown a photograph."""
    if system.resolved.embedded(*paths):
        from emosym.contracts.reading import EMBEDDED

        say(f"note: {EMBEDDED}")


def saved_runs(*, smoke: bool = False) -> list[Path]:
    """Run folders under ``runs/`` that hold a system that was trained, the newest last; those of smoke runs instead."""
    systems = sorted(RUNS.glob("*/system")) if RUNS.is_dir() else []
    systems = [path for path in systems if completion.is_smoke(path.parent) is smoke]
    return [path.parent for path in sorted(systems, key=lambda path: (path.stat().st_mtime, path))]


def _runs_hint() -> str:
    runs = saved_runs()
    return f"runs here: {', '.join(map(str, runs))}" if runs else NO_RUN


def existing_run(run: Path) -> Path:
    """``run`` where it is the folder of a run that came to its end, an error that says what there is otherwise."""
    if not (run / "spec.yaml").is_file():
        what = "no spec.yaml in it, so it is not a run folder" if run.is_dir() else "no such folder"
        raise EmosymError("run.missing", f"{run}: {what}", hint=_runs_hint())
    _require_end(run)
    return run


def _require_end(run: Path) -> None:
    if (run / "run.json").is_file() and not (run / "system").is_dir():
        raise EmosymError(
            "run.unfinished",
            f"{run}: this run has not come to its end, so there is no saved system in it yet",
            hint=f"continue it: emosym run {run / 'spec.yaml'} --out {run} --resume",
        )
