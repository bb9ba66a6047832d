"""The paper's stages on models with random weights or on the embedded ones, built and timed as a run builds and trains them."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from emosym_registry import load_registry

from benchmarks.gpu.card import Clock, flops, kernel_seconds, peak_bytes
from benchmarks.gpu.data import made_data
from benchmarks.gpu.folders import save_backbone, save_head
from emosym.assembly import Builder, build_parts
from emosym.experiment.folder import RunFolder
from emosym.experiment.run import Experiment
from emosym.precision import autocast
from emosym.spec import Resolved, load_spec
from emosym.system import System
from emosym.training.loop import train
from emosym.training.stage import Stage
from emosym.training.stopping import Stopping
from emosym.vram import StageMemory, estimate

PAPER = Path(__file__).parents[2] / "configs" / "paper" / "qwen2-vl-2b_sd15.yaml"


@dataclass(frozen=True)
class Size:
    """How large everything is: pictures a step by stage, pixels along a side of a picture, ``steps`` that are timed after
    ``warmup``, and whether the models are the embedded ones or of published size."""

    batches: Mapping[str, int]
    side: int
    steps: int
    warmup: int
    embedded: bool


SIZES = {
    "small": Size({"compress": 4, "reinforce": 4, "unify": 8}, 64, steps=3, warmup=1, embedded=True),
    "real": Size({"compress": 16, "reinforce": 16, "unify": 16}, 1024, steps=5, warmup=2, embedded=False),
}


@dataclass(frozen=True)
class Timing:
    """Median ``seconds`` of a step over ``batch`` pictures of ``tokens`` tokens each (prompt, picture and reasoning tokens), and
    the most bytes that its tensors took on a card."""

    seconds: float
    batch: int
    tokens: int
    peak: int | None


class Bench:
    """Builds a system at a time and keeps it while its settings stay the same."""

    def __init__(self, size: Size, device: torch.device, precision: str, scratch: Path) -> None:
        self.size, self.device, self.precision, self.scratch = size, device, precision, scratch
        self.registry = load_registry()
        self.clock = Clock(device, size.warmup)
        self.registry.manager.register(self.clock)
        self._built: tuple[tuple[str, ...], Experiment] | None = None
        self._timings: dict[tuple[str, ...], Timing] = {}
        self._flops: dict[tuple[str, ...], int] = {}
        self._forecasts: dict[tuple[str, ...], Mapping[str, StageMemory]] = {}

    # ---- what is built

    @cached_property
    def head(self) -> Path:
        """The folder of the diffusion model."""
        if not self.size.embedded:
            return save_head("sd15", self.scratch / "head")
        found = self.registry.alias("diffusion", "sd", "tiny")
        assert found is not None
        return Path(found)

    @cached_property
    def _sets(self) -> list[str]:
        backbone = (
            "tiny" if self.size.embedded else str(save_backbone("qwen2-vl-2b", self.scratch / "backbone"))
        )
        most = max(self.size.batches.values())
        small = ["backbone.params.min_pixels=null", "backbone.params.max_pixels=null"]
        return [
            *made_data(self.scratch, self.size.side, most),
            f"backbone.params.model={backbone}", f"diffusion.params.model={self.head}",
            "diffusion.params.image_size=null",
            # What is recomputed would count as work that is done.
            "backbone.params.gradient_checkpointing=false", "diffusion.params.gradient_checkpointing=false",
            f"compute.precision={self.precision}",
            *(f"stages.{stage}.batch_size={batch}" for stage, batch in self.size.batches.items()),
            *(f"stages.{stage}.steps={self.size.warmup + self.size.steps}" for stage in self.size.batches),
            *(small if self.size.embedded else []),
        ]  # fmt: skip

    def resolved(self, sets: Sequence[str]) -> Resolved:
        """The paper's spec at this size, with ``sets`` on top."""
        return load_spec(PAPER, registry=self.registry, sets=[*self._sets, *sets])

    def experiment(self, sets: Sequence[str]) -> Experiment:
        """A run of that spec, ready to train. Nothing that is computed of a picture is kept."""
        if self._built is not None and self._built[0] == (*sets,):
            return self._built[1]
        self.forget()
        resolved = self.resolved(sets)
        run = RunFolder(Path(tempfile.mkdtemp(dir=self.scratch, prefix="run-")))
        builder = Builder.of(
            resolved, self.registry, run=run.path, device=self.device, precision=self.precision
        )
        parts = build_parts(builder)
        system = System.assemble(builder, text_width=parts.text_width)
        experiment = Experiment(
            system,
            parts,
            run,
            self.registry.lifecycle,
            resume=False,
            smoke=False,
            started=0.0,
            stopping=Stopping(),
        )
        self._built = (*sets,), experiment
        return experiment

    def forget(self) -> None:
        """Let go of the system that was built, and of its memory."""
        self._built = None
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def stage(self, name: str, sets: Sequence[str]) -> tuple[Stage[Any], System]:
        """A stage that can take a step, and its system."""
        experiment = self.experiment(sets)
        stage = experiment.make_stage(name)
        stage.before()
        return stage, experiment.system

    # ---- what is measured

    def timing(self, name: str, sets: Sequence[str]) -> Timing:
        """Train some steps of a stage, once."""
        key = (name, *sets)
        if key not in self._timings:
            self._timings[key] = self._train(name, sets)
        return self._timings[key]

    def _train(self, name: str, sets: Sequence[str]) -> Timing:
        experiment = self.experiment(sets)
        stage, system, spec = experiment.make_stage(name), experiment.system, experiment.system.resolved.spec
        mixed = "no" if self.precision == "fp32" else self.precision
        AcceleratorState._reset_state()  # it is one for a process
        train(
            stage,
            optim=spec.optim,
            run=experiment.run.path,
            lifecycle=experiment.lifecycle,
            accelerator=Accelerator(cpu=self.device.type == "cpu", mixed_precision=mixed),
            seed=spec.seed,
            workers=spec.compute.workers,
        )
        peak, batch = peak_bytes(self.device), stage.batch(0, 0, 1)
        with torch.no_grad(), autocast(self.device, self.precision):
            prompt = int(system.backbone.encode(batch[:1]).tokens[0])
        return Timing(
            self.clock.seconds_a_step, len(batch), prompt + system.compressor.context_tokens + 1, peak
        )

    def flops(self, name: str, sets: Sequence[str]) -> int:
        """Operations of one step, counted once. PyTorch counts its own kernels, not those that are compiled or installed."""
        key = (name, *sets)
        if key not in self._flops:
            self._flops[key] = flops(*self.stage(name, sets))
        return self._flops[key]

    def kernel_seconds(self, name: str, sets: Sequence[str]) -> float | None:
        """Seconds in which the card computes in one step; None without a card."""
        return kernel_seconds(*self.stage(name, sets)) if self.device.type == "cuda" else None

    def forecast(self, name: str, sets: Sequence[str]) -> StageMemory:
        """What ``emosym spec explain --vram`` says of the stage."""
        if (*sets,) not in self._forecasts:
            found = estimate(self.resolved(sets), self.registry)
            self._forecasts[*sets,] = {stage.stage: stage for stage in found.stages}
        return self._forecasts[*sets,][name]
