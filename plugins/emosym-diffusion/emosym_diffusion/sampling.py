"""From noise to latents with any scheduler; one generator a picture."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor

logger = logging.getLogger(__name__)

Predict = Callable[[Tensor, Tensor], Tensor]
"""The (guided) model output for latents [B,c,h,w] at one time."""
AfterStep = Callable[[int, int, Tensor], None]
"""What is told after each step: how many are done, of how many, and the latents [B,c,h,w]."""


def draw_noise(generators: Sequence[torch.Generator], shape: Sequence[int], device: torch.device) -> Tensor:
    """Noise [B,*shape], each picture's from its own generator and device, so that it does not depend on the
    batch."""
    rows = [torch.randn(tuple(shape), generator=one, device=one.device).to(device) for one in generators]
    return torch.stack(rows)


def schedule(scheduler: Any, steps: int, device: torch.device, strength: float | None) -> Tensor:
    """Set ``steps`` times and return those to run: all of them, or the last ``strength`` of them for
    img2img."""
    try:
        scheduler.set_timesteps(steps, device=device)
    except ValueError as error:
        raise EmosymError(
            "diffusion.scheduler-options",
            f"{type(scheduler).__name__} cannot make {steps} steps: {error}",
            hint="change steps or scheduler_options",
        ) from error
    times: Tensor = scheduler.timesteps
    if strength is None:
        return times
    kept = min(max(int(steps * strength), 1), steps)
    if steps * strength < 1:
        logger.warning("strength %g of %d steps is one step, as %g is", strength, steps, 1 / steps)
    begin = (steps - kept) * getattr(scheduler, "order", 1)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    return times[begin:]


def start(scheduler: Any, noise: Tensor, times: Tensor, pictures: Tensor | None) -> Tensor:
    """Latents at the first of ``times``: noise, or ``pictures`` with as much noise as belongs there."""
    if pictures is None:
        return noise * float(getattr(scheduler, "init_noise_sigma", 1.0))
    first = times[:1].repeat(len(noise))
    flow = hasattr(scheduler, "scale_noise")
    noisy: Tensor = (
        scheduler.scale_noise(pictures, first, noise) if flow else scheduler.add_noise(pictures, noise, first)
    )
    return noisy


def denoise(
    scheduler: Any,
    predict: Predict,
    latents: Tensor,
    times: Tensor,
    generators: Sequence[torch.Generator],
    after_step: AfterStep | None,
) -> Tensor:
    """Run ``times``; ``after_step(done, total, latents)`` after each. Schedulers that add noise draw it from
    ``generators``."""
    extra = (
        {"generator": list(generators)} if "generator" in inspect.signature(scheduler.step).parameters else {}
    )
    for number, time in enumerate(times, start=1):
        scaled = (
            scheduler.scale_model_input(latents, time) if hasattr(scheduler, "scale_model_input") else latents
        )
        latents = scheduler.step(predict(scaled, time), time, latents, **extra, return_dict=False)[0]
        if after_step is not None:
            after_step(number, len(times), latents)
    return latents
