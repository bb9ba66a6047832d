"""Steps of all three stages at real size with random weights: tokens/s, images/s, use of the device, peak memory.

Run by hand where there is a card:

    python tests/gpu/real_step.py --backbone qwen2-vl-2b --diffusion sd15 --device cuda --precision bf16

``--backbone`` is qwen2-vl-2b, qwen2-vl-7b, qwen2.5-vl-3b, llava-1.5-7b or tiny, ``--diffusion`` sd15, sdxl-base or tiny. The
stages, components and settings are those of configs/paper; only data, texts and judges are replaced by random ones.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from emosym_registry import Registry, load_registry

from emosym.assembly import Builder, build_parts
from emosym.experiment.folder import RunFolder, peak_memory_bytes
from emosym.experiment.run import Experiment
from emosym.precision import choose_device
from emosym.report.numbers import number
from emosym.spec import Resolved, load_spec
from emosym.spec.model import STAGES
from emosym.system import System
from emosym.training.loop import train
from emosym.training.stopping import Stopping

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.gpu.bench import PAPER
from benchmarks.gpu.card import Clock, card_of, flops, forget_peak, peak_bytes, peak_flops
from benchmarks.gpu.data import made_data
from benchmarks.gpu.folders import save_backbone, save_head


def resolve(options: argparse.Namespace, scratch: Path, registry: Registry) -> Resolved:
    """The paper's spec with the chosen models, random data and nothing that would be downloaded."""
    tiny = options.backbone == "tiny" or options.diffusion == "tiny"
    backbone = "tiny" if options.backbone == "tiny" else save_backbone(options.backbone, scratch / "backbone")
    head = "tiny" if options.diffusion == "tiny" else save_head(options.diffusion, scratch / "head")
    family = "llava" if "llava" in options.backbone else "qwen-vl"
    batches = [f"stages.{stage}.batch_size={options.batch}" for stage in STAGES if options.batch]
    spec = load_spec(PAPER, registry=registry).spec.stages
    most = options.batch or max(getattr(spec, stage).batch_size for stage in STAGES)
    sets = [
        *made_data(scratch, options.side, most),
        f"backbone.name={family}", f"backbone.params.model={backbone}",
        f"diffusion.name={'sdxl' if 'sdxl' in options.diffusion else 'sd'}", f"diffusion.params.model={head}",
        "diffusion.params.image_size=null",
        f"compute.precision={options.precision}", "compute.workers=0",
        *(f"stages.{stage}.steps={options.steps + 1}" for stage in STAGES), *batches,
    ]  # fmt: skip
    if family == "llava" or tiny:
        sets += ["backbone.params.min_pixels=null", "backbone.params.max_pixels=null"]
    return load_spec(PAPER, registry=registry, sets=sets)


def peak_tflops(options: argparse.Namespace, device: torch.device) -> float | None:
    peak = peak_flops(card_of(device))
    return options.peak_tflops or (None if peak is None else peak / 1e12)


def measure(options: argparse.Namespace, scratch: Path) -> list[dict[str, Any]]:
    """One row a stage."""
    registry = load_registry()
    resolved = resolve(options, scratch, registry)
    device = choose_device(options.device)
    run = RunFolder(scratch / "run")
    run.path.mkdir()
    builder = Builder.of(resolved, registry, run=run.path, device=device, precision=options.precision)
    parts = build_parts(builder)
    system = System.assemble(builder, text_width=parts.text_width)
    clock, peak = Clock(device), peak_tflops(options, device)
    registry.manager.register(clock)
    experiment = Experiment(
        system, parts, run, registry.lifecycle, resume=False, smoke=False, started=0.0, stopping=Stopping()
    )
    rows = []
    for name in STAGES:
        stage = experiment.make_stage(name)
        mixed = "no" if options.precision == "fp32" else options.precision
        AcceleratorState._reset_state()  # it is one for a process
        accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=mixed)
        forget_peak(device)
        train(
            stage,
            optim=resolved.spec.optim,
            run=run.path,
            lifecycle=registry.lifecycle,
            accelerator=accelerator,
            seed=7,
        )
        memory = peak_bytes(device) or peak_memory_bytes()
        batch = stage.batch(0, 0, 1)
        seconds = clock.seconds_a_step
        with torch.no_grad():
            tokens = int(system.backbone.encode(batch[:1]).tokens[0]) + 1 + system.compressor.context_tokens
        tflops = flops(stage, system) / seconds / 1e12
        rows.append(
            {
                "stage": name, "batch": len(batch), "seconds": seconds, "images/s": len(batch) / seconds,
                "tokens/s": len(batch) * tokens / seconds, "TFLOP/s": tflops,
                "utilisation": None if peak is None else tflops / peak, "peak GiB": memory / 2**30,
            }
        )  # fmt: skip
    return rows


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Measure and print; returns the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="qwen2-vl-2b")
    parser.add_argument("--diffusion", default="sd15")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="bf16", choices=("bf16", "fp16", "fp32"))
    parser.add_argument("--steps", type=int, default=3, help="timed steps, after one that warms up")
    parser.add_argument("--batch", type=int, help="pictures a step; the spec's own by default")
    parser.add_argument("--side", type=int, default=1024, help="pixels along a side of the random pictures")
    parser.add_argument("--peak-tflops", type=float, help="of the device, where it is not one of the known")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="emosym-real-step-") as scratch:
        rows = measure(options, Path(scratch))
    for row in rows:
        print(
            "  ".join(
                f"{key} {'-' if value is None else value if isinstance(value, str) else number(value)}"
                for key, value in row.items()
            )
        )
    return rows


if __name__ == "__main__":
    main()
