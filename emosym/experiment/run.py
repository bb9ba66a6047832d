"""A whole run: every stage of a spec, its evaluation and its report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from emosym_registry import EmosymError, Lifecycle, Registry

from emosym.assembly import Builder, ExperimentParts, build_parts
from emosym.contracts import Knowledge, Sample
from emosym.evaluation.evaluate import Understanding, understanding
from emosym.experiment.folder import RunFolder, fingerprint, forget_peak, provenance
from emosym.experiment.knowledge import (
    FILE,
    bind_knowledge,
    make_texts,
    reads_texts,
    record_texts,
    recorded_texts,
    require_texts,
)
from emosym.experiment.preflight import (
    require_annotations,
    require_room,
    require_shapes,
    require_splits,
    require_unlabelled,
)
from emosym.experiment.smoke import limited, shortened
from emosym.experiment.store import SharedStage, keys_of
from emosym.experiment.summary import finish, write_bank
from emosym.experiment.trackers import JsonLines, Tracker, listening
from emosym.precision import choose_device, choose_precision
from emosym.predictions import read_predictions, write_predictions
from emosym.processes import from_first, is_first, meet, world
from emosym.reasons import KnowledgeIndex
from emosym.report.report import write_report
from emosym.rewards import bind
from emosym.spec import Resolved
from emosym.spec.model import STAGES, Spec
from emosym.spec.reads import evaluation_key
from emosym.stages.compress import Compress
from emosym.stages.explicit import CompressExplicit
from emosym.stages.reinforce import Reinforce
from emosym.stages.unify import Unify, originals_of
from emosym.storage import read_state
from emosym.system import System
from emosym.toolkit import kept_statistics, read_json, write_json
from emosym.training.loop import train
from emosym.training.stage import Stage
from emosym.training.stopping import Stopping, listening_to_signals

_log = logging.getLogger(__name__)


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
    changed_data: bool = False,
    listeners: Sequence[object] = (),
    store: Path | None = None,
    study: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run the stages of a spec in folder ``out``, evaluate, write ``summary.json`` and ``report.html``.

    ``smoke`` takes two steps of each stage on a few images, to see that a spec runs at all; a run that goes on stays what
    it began as. ``only`` names the stages to run (the ones before them must be done). ``trust_remote_code`` lets models
    run Python code that their folders bring. ``changed_data`` lets a run go on with other data than it began with.
    ``listeners`` are hook implementations that listen to this run beside the plugins', ``metrics.jsonl`` and the spec's
    trackers. ``store`` is a folder of finished stages: what another run has trained from the same things is taken from
    there, and what this one trains is put there. ``study`` says of which study the run is a cell. Returns the summary. SIGTERM saves a checkpoint and raises :class:`emosym.training.stopping.Terminated`.
    """
    begun = time.perf_counter()
    forget_peak()
    kept_statistics(anew=True)
    run = RunFolder(Path(out))
    smoke = smoke or (resume and run.smoke)
    if smoke:
        resolved = shortened(resolved)
    if resume:
        resolved = run.continued(resolved, registry)
    spec = resolved.spec
    stages = stages_of(spec, only)
    chosen_device = choose_device(device or spec.compute.device)
    chosen_precision = choose_precision(precision or spec.compute.precision, chosen_device)
    chosen_device = meet(chosen_device)
    require_shares(spec)
    require_unsharded()
    with ExitStack() as stack:
        stopping = stack.enter_context(listening_to_signals())
        if is_first():
            stack.enter_context(run.opened(resolved, resume=resume, smoke=smoke))
            for message in resolved.messages if resume else ():
                _log.info("note: %s", message)
        run_id, before = from_first(lambda: (run.id, run.elapsed()))
        started = begun - before
        trackers = [Tracker(one.name, one.params) for one in spec.trackers]
        lifecycle = stack.enter_context(listening(registry, [JsonLines(), *trackers, *listeners]))
        builder = Builder.of(
            resolved,
            registry,
            run=run.path,
            run_id=run_id,
            device=chosen_device,
            precision=chosen_precision,
            trust_remote_code=trust_remote_code,
            cache=True,
        )
        stack.callback(close_memory, builder)
        stack.enter_context(builder.naming())
        _log.info("loading the models and the data")
        parts = build_parts(builder)
        require_splits(parts.dataset, spec.evaluation.split)
        from_first(lambda: require_shapes(parts.dataset, resolved.offers["backbone"]))
        if is_first():
            run.forget_steps(keep=spec.compute.keep_checkpoints)  # a kill may have come before
        done = run.done()
        pending = [name for name in stages if name not in done]
        train_samples = limited(parts.dataset.split("train"), smoke)
        for path, component in resolved.offers.items():
            keys = builder.built[path].attribute_keys if path in builder.built else ()
            name = f"{component.spec.kind} {component.spec.name}"
            require_annotations(name, resolved.needs(path), keys, train_samples)
        knowledge = parts.knowledge if "compress" in pending and reads_texts(resolved) else None
        if knowledge is not None:
            bind_knowledge(builder, knowledge, (store or run.path) / FILE)
            if knowledge.file is None:
                require_texts(resolved, knowledge.texts(train_samples))
        if "unify" in pending:
            require_unlabelled(resolved, train_samples)
        system = System.assemble(builder, text_width=parts.text_width)
        bind(parts, system, train_samples)
        if "unify" in pending:
            with system.evaluating():
                require_room(resolved, system.require_generation())
        _log.info("hashing the data")
        data = fingerprint(parts.dataset)
        from_first(
            lambda: run.record(
                provenance(
                    {id: plugin.installed.package for id, plugin in registry.plugins.items()},
                    seed=spec.seed,
                    device=str(chosen_device),
                    precision=chosen_precision,
                    data={**parts.dataset.facts(), "fingerprint": data},
                    processes=world(),
                    **({"study": study} if study else {}),
                ),
                changed_data=changed_data,
            )
        )
        lifecycle.run_started(run=run.path, spec=resolved.data(), resumed=resume, study=study)
        stack.enter_context(failure_told(lifecycle, run.path))
        if knowledge is not None and knowledge.file is not None:
            from_first(lambda: make_run_texts(resolved, knowledge, train_samples, run.path))
        shared = {}
        if store is not None:
            keys = keys_of(
                resolved,
                data=data,
                device=chosen_device.type,
                precision=chosen_precision,
                smoke=smoke,
                texts=from_first(lambda: recorded_texts(run.path)),
            )
            shared = {name: SharedStage(store, name, key) for name, key in keys.items()}
        experiment = Experiment(system, parts, run, lifecycle, resume, smoke, started, stopping, shared)
        measured = {name: experiment.run_stage(name) for name in pending}
        latest = experiment.load_latest()
        return from_first(lambda: experiment.conclude(measured.get(latest)))


@dataclass(frozen=True)
class Experiment:
    """A run whose parts are built: what trains its stages."""

    system: System
    parts: ExperimentParts
    run: RunFolder
    lifecycle: Lifecycle
    resume: bool
    smoke: bool
    started: float
    stopping: Stopping
    shared: Mapping[str, SharedStage] = field(default_factory=dict)
    """Places of finished stages that runs share, by stage; none where this run shares nothing."""

    def elapsed(self) -> float:
        """Seconds of the whole run so far, earlier sessions included."""
        return time.perf_counter() - self.started

    def samples(self, split: str) -> Sequence[Sample]:
        """A split of the data, shortened for a smoke run."""
        return limited(self.parts.dataset.split(split), self.smoke)

    def run_stage(self, name: str) -> Understanding:
        """Train one stage, or take it where another run has, save its weights, and return what the system understands after
        it."""
        self.load_latest(before=name)
        with ExitStack() as stack:
            shared = self.shared.get(name)
            if shared is not None and is_first():
                stack.enter_context(shared.claimed())
            if shared is not None and from_first(lambda: shared.finished):
                facts = from_first(lambda: self.take_stage(name, shared))
                self.system.load_state(read_state(self.run.checkpoint(name)))
            else:
                facts = self.train_stage(name)
            return from_first(lambda: self.close_stage(name, facts))

    def train_stage(self, name: str) -> dict[str, Any]:
        """Train one stage; its facts."""
        spec, system = self.system.resolved.spec, self.system
        _log.info("%s: preparing", name)
        stage = self.make_stage(name)
        AcceleratorState._reset_state()  # it is one for a process, and an earlier run may have had another precision
        accelerator = Accelerator(
            cpu=system.device.type == "cpu",
            mixed_precision="no" if system.precision == "fp32" else system.precision,
            gradient_accumulation_steps=spec.compute.gradient_accumulation,
            # The first process alone fits the emotion space in between, for the bank; all of them do at the end.
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
        facts = train(
            stage,
            optim=spec.optim,
            run=self.run.path,
            lifecycle=self.lifecycle,
            accelerator=accelerator,
            seed=spec.seed * 31 + STAGES.index(name),
            checkpoint_minutes=spec.compute.checkpoint_minutes,
            keep=spec.compute.keep_checkpoints,
            workers=spec.compute.workers,
            resume=self.resume,
            elapsed=self.elapsed,
            stopping=self.stopping,
            unharmed=self.run.require_whole,
        )
        return {**facts, **stage.finish()}

    def take_stage(self, name: str, shared: SharedStage) -> dict[str, Any]:
        """Take a stage that another run has trained; its facts, with the key under which it lay."""
        state, facts = shared.take(self.run)
        self.system.load_state({**self.system.state(), **state})
        self.system.save(self.run.checkpoint(name))
        steps = facts["steps"]
        self.lifecycle.stage_started(run=self.run.path, stage=name, steps=steps, step=steps)
        return {**facts, "taken": shared.key}

    def close_stage(self, name: str, facts: Mapping[str, Any]) -> Understanding:
        """Save the weights of a stage that is trained, and measure them."""
        spec, system, shared = self.system.resolved.spec, self.system, self.shared.get(name)
        if "taken" not in facts:
            system.save(self.run.checkpoint(name))
            if spec.stages.unify is not None and name == "unify":
                originals = originals_of(self.samples("train"), spec.stages.unify)
                write_bank(self.parts.memory, originals, system.labels.names, self.run.path)
            if shared is not None:
                shared.keep(self.run, system.state(), facts)
        evaluation = self.run.path / "evaluation"
        measures = evaluation_key(system.resolved)
        repeatable = all(metric.repeatable for _, metric in self.parts.metrics)
        if shared is None or not repeatable or not shared.take_figures(self.run, measures):
            held_out = self.samples(spec.evaluation.split)
            metrics, judge = self.parts.metrics, self.parts.judges.get("evaluate")
            split, batch_size = spec.evaluation.split, spec.evaluation.batch_size
            measured = understanding(
                system,
                held_out,
                metrics,
                judge,
                split=split,
                batch_size=batch_size,
                rewards=self.parts.rewards,
            )
            write_predictions(evaluation / f"{name}-readings.parquet", measured.predictions)
            write_json(evaluation / f"{name}.json", measured.figures)
            if shared is not None and repeatable:
                shared.keep_figures(self.run, measures)
        predictions = read_predictions(evaluation / f"{name}-readings.parquet")
        understood = Understanding(read_json(evaluation / f"{name}.json"), predictions)
        self.run.mark_done(name, {**facts, "elapsed": self.elapsed()})
        self.run.forget_steps(keep=spec.compute.keep_checkpoints)
        short = {key: value for key, value in understood.figures.items() if isinstance(value, float)}
        self.lifecycle.stage_finished(run=self.run.path, stage=name, summary={**facts, **short})
        return understood

    def conclude(self, understood: Understanding | None) -> dict[str, Any]:
        """Save the system, measure it (``understood`` is what its last stage has measured), write the summary and the
        report."""
        _log.info("saving the system")
        self.system.knowledge = self.kept_knowledge()
        self.system.save(self.run.system)
        summary = finish(self.system, self.parts, self.run, self.started, understood, smoke=self.smoke)
        _log.info("writing the report")
        write_report(self.run.path)
        self.lifecycle.run_finished(run=self.run.path, summary=summary)
        return summary

    def kept_knowledge(self) -> KnowledgeIndex | None:
        """What the system keeps of the texts that it was trained with; None where its compressor has not learned to project
        what it sees into their space."""
        system, source, encoder = self.system, self.parts.knowledge, self.parts.text_encoder
        compress = system.resolved.spec.stages.compress
        if source is None or encoder is None or compress is None or not compress.knowledge_weight:
            return None
        if "compress" not in self.run.done() or not system.projects:
            return None
        texts = source.texts(self.samples("train"))
        return KnowledgeIndex.of(texts, encoder, system.resolved.spec.seed)

    def load_latest(self, before: str | None = None) -> str:
        """Take the weights of the last finished stage (of those ``before`` one), whatever order they were trained in.

        Returns its name, empty where none is finished: the system then stays as it is.
        """
        done = self.run.done()
        reached = [name for name in STAGES[: STAGES.index(before) if before else None] if name in done]
        if not reached:
            return ""
        self.system.load_state(read_state(self.run.checkpoint(reached[-1])))
        return reached[-1]

    def make_stage(self, name: str) -> Stage[Any]:
        """The stage of a name."""
        spec, system, parts = self.system.resolved.spec, self.system, self.parts
        accumulation = spec.compute.gradient_accumulation
        stages, samples, validation = spec.stages, self.samples("train"), self.samples("val")
        if name == "compress" and stages.compress is not None:
            kind = CompressExplicit if system.explicit else Compress
            return kind(system, stages.compress, parts, samples, spec.seed, accumulation)
        if name == "reinforce" and stages.reinforce is not None:
            return Reinforce(
                system, stages.reinforce, parts, samples, validation, spec.seed, self.run.path, accumulation
            )
        assert stages.unify is not None
        return Unify(
            system,
            stages.unify,
            parts,
            samples,
            validation,
            spec.seed,
            self.lifecycle,
            self.run.path,
            accumulation,
        )


def make_run_texts(
    resolved: Resolved, knowledge: Knowledge[Any], samples: Sequence[Sample], run: Path
) -> None:
    """Let knowledge make the texts that a run trains on, and write down which they are."""
    texts = make_texts(knowledge, samples)
    record_texts(run, knowledge, samples, texts)
    require_texts(resolved, texts)


@contextmanager
def failure_told(lifecycle: Lifecycle, run: Path) -> Iterator[None]:
    """Tell listeners when a run stops with an error or is interrupted."""
    try:
        yield
    except BaseException as error:
        lifecycle.run_failed(run=run, reason=error)
        raise


def close_memory(builder: Builder) -> None:
    """Close the bank, where one was built."""
    memory = builder.built.get("memory")
    if memory is not None:
        memory.close()


def require_shares(spec: Spec) -> None:
    """Refuse batches that several processes cannot share evenly: ``compute.uneven-batch``."""
    for name in STAGES:
        stage = getattr(spec.stages, name)
        if stage is not None and stage.batch_size % world():
            raise EmosymError(
                "compute.uneven-batch",
                f"stages.{name}.batch_size {stage.batch_size} does not divide among {world()} processes",
                hint="it is the batch of all processes together; take a multiple of their number",
            )


def require_unsharded() -> None:
    """Refuse launchers that spread a model's weights over processes, of which a checkpoint would hold parts:
    ``compute.sharded``."""
    for name in ("FSDP", "DEEPSPEED", "MEGATRON_LM", "PARALLELISM_CONFIG"):
        if os.environ.get(f"ACCELERATE_USE_{name}", "false").lower() in ("1", "true", "yes"):
            raise EmosymError(
                "compute.sharded",
                f"the launcher asks for {name}, which spreads weights over processes; emosym trains with DDP alone",
                hint="launch with configs/accelerate/ddp.yaml; for a model larger than a GPU set backbone.params.quantization",
            )


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
