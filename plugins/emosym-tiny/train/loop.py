"""The one training loop of the embedded models: bf16 autocast, EMA, cosine schedule, log, resume."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

WORK = Path(os.environ.get("EMOSYM_TINY_WORK", Path(__file__).parent / ".work"))
SAVE_SECONDS = 120.0


@dataclass(frozen=True)
class Recipe:
    """How one model is trained; its name is that of its stage, weights, checkpoint, log and figures."""

    name: str
    seed: int
    steps: int
    batch: int
    lr: float
    weight_decay: float = 0.01
    warmup: int = 50
    ema: float = 0.0
    """Decay of the averaged weights that are measured and kept; zero keeps the last ones."""
    evaluate_every: int = 500


class Step(NamedTuple):
    """What a batch is drawn from: (seed, step) alone, so an interrupted run sees the same batches."""

    number: int
    rng: np.random.Generator
    generator: torch.Generator


Losses = dict[str, Tensor]
"""``loss`` is what is minimised; the rest is logged."""


def cosine(step: int, steps: int, warmup: int) -> float:
    """Learning-rate factor: linear warm-up, then a half cosine down to 2 %."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


@contextmanager
def averaged(modules: nn.Module, live: list[Tensor], average: list[Tensor]) -> Iterator[None]:
    """The modules in evaluation mode with their averaged weights in place of the live ones."""
    kept = [value.detach().clone() for value in live]
    modules.eval()
    _copy(average, live)
    yield
    _copy(kept, live)
    modules.train()


@torch.no_grad()
def _copy(source: list[Tensor], target: list[Tensor]) -> None:
    torch._foreach_copy_(target, source)


def fit(
    recipe: Recipe,
    modules: nn.Module,
    losses: Callable[[Step], Losses],
    evaluate: Callable[[], dict[str, float]],
) -> None:
    """Train the parameters that require gradients, resuming from ``WORK/NAME.pt`` when it exists.

    On return ``modules`` hold the averaged weights. Log lines go to ``WORK/NAME.jsonl``.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    checkpoint = WORK / f"{recipe.name}.pt"
    live = [value for value in modules.parameters() if value.requires_grad]
    average = [value.detach().clone() for value in live]
    optimizer = torch.optim.AdamW(live, lr=recipe.lr, weight_decay=recipe.weight_decay, betas=(0.9, 0.99))
    first, start = 0, time.time()
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        modules.load_state_dict(state["modules"])
        optimizer.load_state_dict(state["optimizer"])
        average, first, start = state["average"], state["step"], start - state["seconds"]
        print(f"[{recipe.name}] resumed at step {first}", flush=True)
    modules.train()
    saved, running = time.time(), dict[str, float]()
    for number in range(first, recipe.steps):
        rng = np.random.default_rng([recipe.seed, number])
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + number)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * cosine(number, recipe.steps, recipe.warmup)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            values = losses(Step(number, rng, generator))
        optimizer.zero_grad(set_to_none=True)
        values["loss"].backward()
        nn.utils.clip_grad_norm_(live, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, live, 1 - min(recipe.ema, (1 + number) / (10 + number)))
        for key, value in values.items():
            running[key] = 0.95 * running.get(key, value.item()) + 0.05 * value.item()

        done, seconds = number + 1, time.time() - start
        last = done == recipe.steps
        due = last or done % recipe.evaluate_every == 0
        if due or done % 50 == 0:
            record = {"step": done, "seconds": round(seconds, 1), **running}
            if due:
                with averaged(modules, live, average):
                    record |= evaluate()
            with open(WORK / f"{recipe.name}.jsonl", "a") as log:
                log.write(json.dumps(record) + "\n")
            print(f"[{recipe.name}] {record}", flush=True)
        if last or time.time() - saved > SAVE_SECONDS:
            state = {"modules": modules.state_dict(), "optimizer": optimizer.state_dict(), "average": average}
            torch.save(
                {**state, "step": done, "seconds": time.time() - start}, checkpoint.with_suffix(".partial")
            )
            checkpoint.with_suffix(".partial").replace(checkpoint)
            saved = time.time()
    _copy(average, live)
    modules.eval()
