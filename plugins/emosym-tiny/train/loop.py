"""The one training loop of the embedded models: bf16 autocast, EMA, cosine schedule, log, resume."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

WORK = Path(os.environ.get("EMOSYM_TINY_WORK", Path(__file__).parent / ".work"))

Loss = Callable[[int, np.random.Generator, torch.Generator], tuple[Tensor, dict[str, float]]]


def cosine(step: int, steps: int, warmup: int) -> float:
    """Learning-rate factor: linear warm-up, then a half cosine down to 2 %."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def fit(
    name: str,
    modules: nn.Module,
    loss: Loss,
    *,
    steps: int,
    lr: float,
    seed: int = 0,
    weight_decay: float = 0.01,
    warmup: int = 50,
    ema: float = 0.0,
    clip: float = 1.0,
    save_seconds: float = 120.0,
    evaluate: Callable[[], dict[str, float]] | None = None,
    evaluate_every: int = 0,
) -> dict[str, float]:
    """Train the parameters of ``modules`` that require gradients, resuming from ``WORK/name.pt`` when it exists.

    ``loss(step, rng, generator)`` draws its own batch from the generators, which depend on (seed, step) alone, so an
    interrupted run sees the batches that an uninterrupted one sees. With ``ema`` > 0 the averaged weights are in
    ``modules`` on return. Log lines go to ``WORK/name.jsonl``. Returns the last logged values.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    checkpoint = WORK / f"{name}.pt"
    trainable = {key: value for key, value in modules.named_parameters() if value.requires_grad}
    optimizer = torch.optim.AdamW(trainable.values(), lr=lr, weight_decay=weight_decay, betas=(0.9, 0.99))
    average = {key: value.detach().clone() for key, value in trainable.items()} if ema else {}
    first, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        modules.load_state_dict(state["modules"])
        optimizer.load_state_dict(state["optimizer"])
        average, first, spent = state["average"], state["step"], state["seconds"]
        print(f"[{name}] resumed at step {first}", flush=True)

    def save(step: int) -> None:
        partial = checkpoint.with_suffix(".partial")
        torch.save(
            {"modules": modules.state_dict(), "optimizer": optimizer.state_dict(), "average": average,
             "step": step, "seconds": spent + time.time() - start},
            partial,
        )  # fmt: skip
        partial.replace(checkpoint)

    def with_average(run: Callable[[], dict[str, float]]) -> dict[str, float]:
        live = {key: value.detach().clone() for key, value in trainable.items()}
        load(average or live)
        values = run()
        load(live)
        return values

    def load(values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for key, value in trainable.items():
                value.copy_(values[key])

    modules.train()
    start = saved = time.time()
    record: dict[str, float] = {}
    running: dict[str, float] = {}
    for step in range(first, steps):
        rng = np.random.default_rng([seed, step])
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = lr * cosine(step, steps, warmup)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value, logs = loss(step, rng, generator)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(list(trainable.values()), clip)
        optimizer.step()
        if ema:
            decay = min(ema, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(list(average.values()), list(trainable.values()), 1 - decay)
        for key, number in {"loss": float(value), **logs}.items():
            running[key] = 0.95 * running.get(key, number) + 0.05 * number
        last = step + 1 == steps
        due = evaluate is not None and evaluate_every > 0 and ((step + 1) % evaluate_every == 0 or last)
        if (step + 1) % 50 == 0 or due or last:
            seconds = spent + time.time() - start
            record = {"step": step + 1, "seconds": round(seconds, 1), **running}
            if due and evaluate is not None:
                modules.eval()
                record |= with_average(evaluate)
                modules.train()
            with open(WORK / f"{name}.jsonl", "a") as log:
                log.write(json.dumps(record) + "\n")
            shown = " ".join(f"{k}={v:.4g}" for k, v in record.items() if k not in ("step", "seconds"))
            print(f"[{name}] {step + 1}/{steps} {seconds:.0f}s {shown}", flush=True)
        if time.time() - saved > save_seconds or last:
            save(step + 1)
            saved = time.time()
    if ema:
        load(average)
    modules.eval()
    return record
