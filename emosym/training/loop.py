"""The one training loop: any stage, any hardware that Accelerate knows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from emosym_registry import EmosymError, Lifecycle
from torch import Tensor, nn

from emosym.contracts import LossTerms
from emosym.processes import any_says, mean_of
from emosym.spec.model import Optim
from emosym.system import System
from emosym.toolkit import BatchGenerator
from emosym.training.checkpoint import Checkpoints, Progress
from emosym.training.prefetch import Prefetch
from emosym.training.reachability import Reachability
from emosym.training.stage import Stage
from emosym.training.stopping import Stopping, Terminated


def schedule(step: int, steps: int, optim: Optim) -> float:
    """Factor of the learning rate at 0-based ``step`` of ``steps``: one schedule over the whole stage."""
    warmup = max(1, round(optim.warmup * steps)) if optim.warmup else 0
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    if optim.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return 1 - progress if optim.schedule == "linear" else 1.0


def train(
    stage: Stage[Any],
    *,
    optim: Optim,
    run: Path,
    lifecycle: Lifecycle,
    accelerator: Accelerator,
    seed: int,
    checkpoint_minutes: float = 5.0,
    keep: int = 1,
    workers: int = 0,
    resume: bool = False,
    elapsed: Callable[[], float] = time.perf_counter,
    stopping: Stopping | None = None,
    unharmed: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Train one stage from its first step, or from the newest checkpoint with ``resume``; returns its facts.

    In the folder ``run`` it keeps ``checkpoints/STAGE-STEP`` (the ``keep`` newest) and
    ``evaluation/gradients-STAGE.json``. ``elapsed`` are the seconds of the whole run, earlier sessions included.
    ``unharmed`` raises where the run's folder is not what it was. Where ``stopping`` was asked to, a checkpoint is saved
    after the step and :class:`Terminated` raised. ``stopped`` among the facts says why the stage ended before its last step.
    """
    groups = stage.groups()
    if not groups:
        raise EmosymError(
            "training.nothing-to-train", f"stage {stage.name} trains {stage.settings.train}, but this system has no such parameters",
            hint="add an adapter to the backbone or train other groups",
        )  # fmt: skip
    rates = {group: stage.settings.lr.get(group, optim.lr) for group in groups}
    optimizer = torch.optim.AdamW(
        [
            {"params": list(params.values()), "lr": rates[group], "name": group}
            for group, params in groups.items()
        ],
        weight_decay=optim.weight_decay,
    )
    checkpoints = Checkpoints(run / "checkpoints", stage, optimizer, keep)
    found = checkpoints.load() if resume else None
    begun = found or Progress()
    first = begun.step
    if found is None:
        stage.begin()
    stage.before()
    prefetch = Prefetch(workers, stage.prepare)
    reach = Reachability(
        {f"{group}/{name}": p for group, params in groups.items() for name, p in params.items()},
        begun.gradients,
    )
    start = time.perf_counter() - begun.seconds

    def save(step: int) -> None:
        gradients = reach.largest if step < Reachability.STEPS else {}
        if accelerator.is_main_process:
            checkpoints.save(Progress(step, time.perf_counter() - start, elapsed(), gradients))

    if found is None:
        # What a stage starts from is kept too, so that a stop before the first periodic checkpoint is undone by --resume.
        save(0)
    prepared, optimizer = accelerator.prepare(stage, optimizer)
    parameters = [p for params in groups.values() for p in params.values()]
    set_modes(stage.system, groups)
    lifecycle.stage_started(run=run, stage=stage.name, steps=stage.steps, step=first)
    saved = time.perf_counter()
    values: dict[str, float] = {}
    reached, ended = first, ""
    stopping = stopping or Stopping()
    for step in range(first, stage.steps):
        if unharmed is not None and accelerator.is_main_process:
            unharmed()
        factor = schedule(step, stage.steps, optim)
        for group in optimizer.param_groups:
            group["lr"] = rates[group["name"]] * factor
        stage.step = step
        with stopping.deferred():
            values = one_step(
                prepared, stage, optimizer, accelerator, parameters, step, seed, optim.clip, reach, prefetch
            )
            values |= {"lr": optim.lr * factor, **stage.after_step(step + 1)}
            lifecycle.step_finished(run=run, stage=stage.name, step=step + 1, values=values)
            ended = stage.review(step + 1, values)
            reached = step + 1
            if reached == min(stage.steps, Reachability.STEPS) or (ended and reached < Reachability.STEPS):
                reach.report(run / "evaluation" / f"gradients-{stage.name}.json")
            stopping.asked = any_says(stopping.asked)
            if ended:
                break  # the stage is over: whoever asked to stop is heard in the next one
            if stopping.asked or time.perf_counter() - saved > 60 * checkpoint_minutes:
                save(step + 1)
                saved = time.perf_counter()
        if stopping.asked:
            raise Terminated
    prefetch.close()
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    return {
        "steps": reached,
        **({"stopped": ended} if ended else {}),
        "seconds": time.perf_counter() - start,
        "parameters": sum(parameter.numel() for parameter in parameters),
        **{f"last/{k}": v for k, v in values.items() if math.isfinite(v)},
    }


def one_step(
    prepared: Callable[..., LossTerms],
    stage: Stage[Any],
    optimizer: Any,
    accelerator: Accelerator,
    parameters: Sequence[nn.Parameter],
    step: int,
    seed: int,
    clip: float,
    reach: Reachability,
    prefetch: Prefetch,
) -> dict[str, float]:
    """One optimiser step over as many micro-batches as gradients are accumulated."""
    parts = accelerator.gradient_accumulation_steps
    totals: dict[str, float] = {}
    for part in range(parts):
        micro = step * parts + part
        torch.manual_seed(seed * 7_368_787 + micro)
        rank, world = accelerator.process_index, accelerator.num_processes
        generator = BatchGenerator()
        generator.manual_seed(seed * 1_000_003 + micro * 131)
        generator.rank, generator.world = rank, world
        batch = prefetch.take(stage.batch(micro, rank, world))
        prefetch.announce(stage.batch(micro + 1, rank, world))
        with accelerator.accumulate(prepared):
            terms = prepared(batch, generator)
            refuse_nan(terms.loss, "loss", stage.name, step + 1, stage.addends)
            accelerator.backward(terms.loss)
            if accelerator.sync_gradients:
                norm = accelerator.clip_grad_norm_(parameters, clip)
                totals["gradient_norm"] = float(norm) if norm is not None else 0.0
                # fp16 leaves a step out whose gradients overflow, and scales less.
                if accelerator.scaler is None:
                    refuse_nan(norm, "gradient", stage.name, step + 1)
                if step < Reachability.STEPS:
                    reach.look()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        for key, value in {"loss": float(terms.loss.detach()), **terms.values}.items():
            totals[key] = totals.get(key, 0.0) + float(value) / parts
    return mean_of(totals)


def refuse_nan(
    value: Tensor | None, what: str, stage: str, step: int, addends: Mapping[str, Tensor] | None = None
) -> None:
    """A loss or a gradient that is not finite stops the run: what would be saved after it is worthless. ``addends`` are the
    parts of a loss by whose they are."""
    if value is not None and not bool(torch.isfinite(value).all()):
        parts = [
            f"{name} gives {float(part)}" for name, part in (addends or {}).items() if not math.isfinite(part)
        ]
        raise EmosymError(
            "training.not-finite", f"the {what} of stage {stage} is not finite at step {step}" + ((parts and f": {', '.join(parts)}") or ""),
            hint="lower the learning rate, or use --precision fp32; the last checkpoint is untouched",
        )  # fmt: skip


def set_modes(system: System, groups: Mapping[str, Any]) -> None:
    """Training mode (dropout) for the parts that learn, eval mode for the frozen ones."""
    learns = {"backbone": "adapters", "compressor": "tokens", "head": "head", "fusion": "fusion"}
    for name, module in system.modules().items():
        module.train(learns.get(name, "") in groups)
