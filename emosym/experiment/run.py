"""A whole run: every stage of a spec, its evaluation and its report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from emosym_registry import EmosymError, Registry

from emosym.assembly import Builder, Surroundings, build_surroundings, choose_device, choose_precision
from emosym.evaluation.evaluate import understanding
from emosym.evaluation.report import write_report
from emosym.files import write_json
from emosym.spec import Resolved
from emosym.spec.model import STAGES, Spec
from emosym.stages.compress import Compress
from emosym.stages.preflight import require_room, require_texts
from emosym.stages.reinforce import Reinforce
from emosym.stages.smoke import limited, shortened
from emosym.stages.summary import finish
from emosym.stages.unify import Unify
from emosym.storage import read_state
from emosym.system import System
from emosym.training.loop import Stage, train
from emosym.training.run_folder import RunFolder, provenance
from emosym.training.trackers import default_trackers, listening


def run_experiment(
    resolved: Resolved,
    registry: Registry,
    out: Path,
    *,
    resume: bool = False,
    smoke: bool = False,
    only: Sequence[str] | None = None,
    device: str | None = None,
    precision: str | None = None,
    trust_remote_code: bool = False,
    trackers: Sequence[object] | None = None,
) -> dict[str, Any]:
    """Run the stages of a spec in folder ``out``, evaluate, write ``summary.json`` and ``report.html``.

    ``smoke`` takes two steps of each stage on a few images, to see that a spec runs at all. ``only`` names the stages
    to run (the ones before them must be done). ``trust_remote_code`` lets models run Python code that their folders
    bring. ``trackers`` are hook implementations that listen to this run beside the plugins', those of
    :func:`default_trackers` where none are given. Returns the summary.
    """
    started = time.perf_counter()
    if smoke:
        resolved = shortened(resolved)
    spec = resolved.spec
    stages = stages_of(spec, only)
    chosen_device = choose_device(device or spec.compute.device)
    chosen_precision = choose_precision(precision or spec.compute.precision, chosen_device)
    run = RunFolder.open(Path(out), resolved.to_yaml(), resume=resume)
    with ExitStack() as stack:
        if not resume:
            stack.enter_context(forgotten_unless_started(run))
        hook = stack.enter_context(listening(registry, default_trackers() if trackers is None else trackers))
        builder = Builder.of(
            resolved,
            registry,
            run=run.path,
            device=chosen_device,
            precision=chosen_precision,
            trust_remote_code=trust_remote_code,
        )
        stack.callback(close_memory, builder)
        around = build_surroundings(builder)
        pending = [name for name in stages if name not in run.done()]
        if "compress" in pending:
            require_texts(resolved, around.knowledge, limited(around.dataset.split("train"), smoke))
        knows = around.knowledge is not None and around.text_encoder is not None
        width = around.text_encoder.width if around.text_encoder is not None and knows else 0
        system = System.assemble(builder, text_width=width, device=chosen_device, precision=chosen_precision)
        if "unify" in pending:
            with system.evaluating():
                require_room(resolved, system.core, chosen_device)
        plugins = {name: f"{found.distribution} {found.version}" for name, found in registry.plugins.items()}
        facts = dict(around.dataset.facts())
        write_json(
            run.provenance,
            provenance(
                plugins, seed=spec.seed, device=str(chosen_device), precision=chosen_precision, data=facts
            ),
        )
        hook.emosym_run_started(run=run.path, spec=resolved.data())
        measured = {
            name: run_stage(name, system, around, run, hook, resume=resume, smoke=smoke) for name in pending
        }
        latest = load_latest(system, run)
        figures = measured.get(latest)
        system.save(run.system)
        summary = finish(system, around, run, started, figures, smoke=smoke)
        write_report(run.path)
        hook.emosym_run_finished(run=run.path, summary=summary)
    return summary


@contextmanager
def forgotten_unless_started(run: RunFolder) -> Iterator[None]:
    """Remove what a new run wrote when it fails before its first stage: mend the cause and give the same command again."""
    try:
        yield
    except Exception:
        if not run.started:
            shutil.rmtree(run.path)
        raise


def close_memory(builder: Builder) -> None:
    """Close the bank, where one was built."""
    memory = builder.built.get("memory")
    if memory is not None:
        memory.close()


def stages_of(spec: Spec, only: Sequence[str] | None) -> list[str]:
    """Stages that the spec has, in order; an unknown or absent one in ``only`` is an error."""
    there = [name for name in STAGES if getattr(spec.stages, name) is not None]
    if not there:
        raise EmosymError(
            "run.no-stages",
            "this spec has no stage to run: compress, reinforce and unify are all null",
            hint="give one of them, for example stages: {compress: {}}",
        )
    for name in only or ():
        if name not in there:
            raise EmosymError(
                "run.no-such-stage",
                f"this spec has no stage {name!r}",
                hint=f"its stages: {', '.join(there) or 'none'}",
            )
    return [name for name in there if only is None or name in only]


def run_stage(
    name: str, system: System, around: Surroundings, run: RunFolder, hook: Any, *, resume: bool, smoke: bool
) -> dict[str, Any]:
    """Train one stage, save its weights, and return what the system understands after it, in figures."""
    load_latest(system, run, before=name)
    spec = system.resolved.spec
    stage = make_stage(name, system, around, run, hook, smoke=smoke)
    AcceleratorState._reset_state()  # it is one for a process, and an earlier run may have had another precision
    accelerator = Accelerator(
        cpu=system.device.type == "cpu",
        mixed_precision="no" if system.precision == "fp32" else system.precision,
        gradient_accumulation_steps=spec.compute.gradient_accumulation,
    )
    facts = train(
        stage,
        optim=spec.optim,
        run=run,
        hook=hook,
        accelerator=accelerator,
        seed=spec.seed * 31 + STAGES.index(name),
        checkpoint_minutes=spec.compute.checkpoint_minutes,
        workers=spec.compute.workers,
        resume=resume,
    )
    stage.finish()
    system.save(run.checkpoint(name))
    samples = limited(around.dataset.split(spec.evaluation.split), smoke)
    figures = understanding(system, samples, around.metrics, batch_size=spec.evaluation.batch_size)
    write_json(run.path / "evaluation" / f"{name}.json", figures)
    run.mark_done(name, facts)
    short = {key: value for key, value in figures.items() if isinstance(value, float)}
    hook.emosym_stage_finished(run=run.path, stage=name, summary={**facts, **short})
    return figures


def load_latest(system: System, run: RunFolder, before: str | None = None) -> str:
    """Take the weights of the last finished stage (of those ``before`` one), whatever order they were trained in.

    Returns its name, empty where none is finished: the system then stays as it is.
    """
    done = run.done()
    reached = [name for name in STAGES[: STAGES.index(before) if before else None] if name in done]
    if not reached:
        return ""
    system.load_state(read_state(run.checkpoint(reached[-1])))
    return reached[-1]


def make_stage(
    name: str, system: System, around: Surroundings, run: RunFolder, hook: Any, *, smoke: bool
) -> Stage:
    """The stage object of a name."""
    spec = system.resolved.spec
    settings = getattr(spec.stages, name)
    samples = limited(around.dataset.split("train"), smoke)
    makers: dict[str, Callable[[], Stage]] = {
        "compress": lambda: Compress(system, settings, around, samples, spec.seed),
        "reinforce": lambda: Reinforce(system, settings, around, samples, spec.seed),
        "unify": lambda: Unify(
            system,
            settings,
            around,
            samples,
            limited(around.dataset.split("val"), smoke),
            spec.seed,
            hook,
            run.path,
        ),
    }
    return makers[name]()
