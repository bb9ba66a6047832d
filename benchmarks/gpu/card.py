"""What a card can do, and what a step asks of it: operations, seconds, memory."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from emosym_registry import hookimpl
from torch.utils.flop_counter import FlopCounterMode

from emosym.precision import autocast
from emosym.system import System
from emosym.training.loop import set_modes
from emosym.training.stage import Stage

PEAK_TFLOPS = {
    "B200": 2250, "GH200": 989, "H200": 989, "H100 PCIe": 756, "H100 NVL": 835, "H100": 989, "A100": 312, "L40S": 362,
    "L4": 121, "A10": 125, "4090": 165, "3090": 71,
}  # fmt: skip
"""Dense bf16 with sums in float32, from the makers' data sheets; the first that a card's name holds."""


def card_of(device: torch.device) -> str:
    """The card's name, or that there is none."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "no card"


def peak_flops(card: str) -> float | None:
    """Operations a second that the whole card named so does at most in bf16; None where that is not known."""
    if " MIG " in card:  # a slice of a card has the card's name
        return None
    found = (tflops for name, tflops in PEAK_TFLOPS.items() if re.search(rf"\b{name}\b", card))
    return next((tflops * 1e12 for tflops in found), None)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def forget_peak(device: torch.device) -> None:
    """Let :func:`peak_bytes` count from now on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int | None:
    """Most bytes that tensors held at once on a card; None without one."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


class Clock:
    """Listens to a run and notes when each step was done; the first ``warmup`` do not count."""

    def __init__(self, device: torch.device, warmup: int = 1) -> None:
        self.device, self.warmup = device, warmup
        self.times: list[float] = []

    @hookimpl
    def emosym_stage_started(self) -> None:
        self.times = []
        forget_peak(self.device)

    @hookimpl
    def emosym_step_finished(self) -> None:
        self.tick()

    def tick(self) -> None:
        """A step was done."""
        synchronise(self.device)
        self.times.append(time.perf_counter())

    @property
    def seconds_a_step(self) -> float:
        """The median of the steps after those that warm up."""
        return statistics.median(after - before for before, after in pairwise(self.times[self.warmup - 1 :]))


def flops(stage: Stage[Any], system: System) -> int:
    """Floating point operations of one forward and backward pass, those of recomputation included; a multiplication and an
    addition are two."""
    with FlopCounterMode(display=False) as counter:
        _pass(stage, system)
    return int(counter.get_total_flops())


def kernel_seconds(stage: Stage[Any], system: System) -> float:
    """Seconds that the kernels of one forward and backward pass take on a card, whatever waits between them."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        _pass(stage, system)
        synchronise(system.device)
    return float(sum(event.self_device_time_total for event in profiler.key_averages())) / 1e6


def _pass(stage: Stage[Any], system: System) -> None:
    groups = stage.groups()
    set_modes(system, groups)
    with autocast(system.device, system.precision):
        terms = stage(stage.batch(0, 0, 1), torch.Generator().manual_seed(0))
    terms.loss.backward()
    for parameters in groups.values():
        for parameter in parameters.values():
            parameter.grad = None


def repeated(work: Callable[[], object], device: torch.device, steps: int, warmup: int) -> float:
    """Median seconds of ``steps`` runs of something, after ``warmup`` that do not count."""
    clock = Clock(device, warmup)
    forget_peak(device)
    for _ in range(warmup + steps):
        work()
        clock.tick()
    return clock.seconds_a_step
