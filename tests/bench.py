"""How fast this machine renders, reads and paints with the embedded models: ``make bench``. Weights need no training for it."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from emosym_tiny.world import render_many
from emosym_tiny.world.distribution import World
from numpy.random import default_rng
from PIL import Image

from emosym import System
from emosym.cli.columns import columns
from emosym.contracts import Sample

ROUNDS = 5


def median_seconds(work: Callable[[], object]) -> float:
    """Median time of ``work`` after one round to warm up."""
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def make_system() -> System:
    """The embedded system as it is before training."""
    return System.new("preset:tiny")


def start_up() -> None:
    """``emosym --help`` in a fresh process."""
    code = "from emosym.cli import main; main(['--help'])"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def rendering() -> tuple[str, str, float]:
    jobs = [attributes for attributes, _ in World().sample(200, default_rng(0))]
    return (
        "render 64×64 pictures",
        "images/s",
        len(jobs) / median_seconds(lambda: render_many(jobs, 0, 64, 2)),
    )


def reading(system: System) -> list[tuple[str, str, float]]:
    """Whole readings, and eight rollouts of one prefix beside eight readings."""
    samples = [Sample(str(i), (Image.effect_noise((64, 64), 40 + i).convert("RGB"),)) for i in range(32)]
    whole = median_seconds(lambda: system.read(samples, 32))
    backbone, compressor = system.backbone, system.compressor
    with torch.no_grad():
        prefix = backbone.encode(samples)
        tokens = compressor.tokens(8 * len(samples))
        rollouts = median_seconds(lambda: backbone.read(prefix, tokens))
    return [
        ("read pictures, batch 32", "images/s", len(samples) / whole),
        ("rollouts from shared prefixes, 8 a picture", "rollouts/s", 8 * len(samples) / rollouts),
    ]


def painting(system: System) -> tuple[str, str, float]:
    """Whole pictures, from random states so that no emotion space is needed."""
    from emosym.contracts import States

    hidden, context = system.backbone.hidden_size, system.compressor.context_tokens
    generator = torch.Generator().manual_seed(0)
    states = States(
        torch.randn(8, context, hidden, generator=generator), torch.randn(8, hidden, generator=generator)
    )
    prompts, seeds = ["a picture of {emotion}"] * 8, list(range(8))
    return (
        "paint pictures, batch 8",
        "images/s",
        8 / median_seconds(lambda: system.require_generation().paint(states, prompts, seeds)),
    )


def main() -> None:
    rows = [("emosym --help", "s", median_seconds(start_up)), rendering()]
    system = make_system()
    rows += [*reading(system), painting(system)]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {system.device}, {system.precision}"
    )
    print(
        columns(
            ("what", "median", "unit"),
            [(what, f"{value:.3g}", unit) for what, unit, value in rows],
            numbers=(1,),
        )
    )


if __name__ == "__main__":
    main()
