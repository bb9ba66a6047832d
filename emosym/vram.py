"""What memory a spec needs, stage by stage, and which card has it. Nothing is loaded and nothing is computed.

Backbone and head measure themselves on the meta device (:mod:`emosym.contracts.footprint`): real model classes, shapes
without values, so activations are counted as they occur instead of by a formula such as Korthikanti et al. 2022, which
knows neither adapters nor convolutions. What is assumed is in :data:`ASSUMPTIONS`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from emosym_registry import Registry

from emosym.assembly import Builder
from emosym.contracts import Footprint, Workload
from emosym.head import HEAD_WIDTH, head_width
from emosym.spec import Resolved
from emosym.spec.model import STAGES, ReinforceStage, StageSettings
from emosym.toolkit import DTYPES

CARDS = (8, 12, 16, 24, 40, 48, 80, 141)
"""Memory of common cards as they are called, in GiB."""
USABLE = 0.95
"""Of a card's memory: the driver keeps some, and 80 GB are not quite 80 GiB."""
GIB = 2**30
CONTEXT_BYTES = GIB
FRAGMENTATION = 0.1
TRAINED_BYTES = 16
"""Of a trained parameter: itself, its gradient and AdamW's two moments, all float32."""
TEXT_WIDTH = 768
SAMPLING_BATCH = 32
ASSUMPTIONS = (
    "one NVIDIA card; pictures of 1024×1024 pixels, as the processor scales them; every prompt of a batch that long",
    "fused attention (flash or memory-efficient) unless the spec says eager or plain; mixed precision as torch.autocast",
    f"1 GiB for CUDA itself, {FRAGMENTATION:.0%} of the activations for the allocator's gaps, {USABLE:.0%} of a card usable; "
    "not yet compared with a real card: allow 10 to 20 % of error",
    "judges, text encoder and the safety checker of Stable Diffusion 1.x are not counted: 0.5 to 2 GiB each for CLIP ViT-L/14 in float32",
)


@dataclass(frozen=True)
class StageMemory:
    """Bytes of one stage: frozen ``weights``, ``trained`` parameters with gradients and optimiser, and ``activations``
    at their peak; ``checkpointed`` is that peak with gradient checkpointing, None where the spec has it on already or
    the stage cannot use it."""

    stage: str
    batch: int
    weights: int
    trained: int
    activations: int
    checkpointed: int | None = None

    @property
    def total(self) -> int:
        """All of it, with what CUDA and its allocator take."""
        return self._with(self.activations)

    @property
    def total_checkpointed(self) -> int | None:
        """The same with gradient checkpointing."""
        return None if self.checkpointed is None else self._with(self.checkpointed)

    def _with(self, activations: int) -> int:
        return int(self.weights + self.trained + activations * (1 + FRAGMENTATION) + CONTEXT_BYTES)


@dataclass(frozen=True)
class Estimate:
    """Memory of a spec by stage, the parts it was measured from, and the models that nothing is known of."""

    precision: str
    stages: tuple[StageMemory, ...]
    parts: Mapping[str, Footprint]
    unknown: Mapping[str, str] = field(default_factory=dict)


def card_for(total: int) -> int | None:
    """The smallest common card, in GiB, that has room for ``total`` bytes; None where none does."""
    return next((card for card in CARDS if card * GIB * USABLE >= total), None)


def estimate(resolved: Resolved, registry: Registry) -> Estimate:
    """The memory of every stage of a spec, and of its evaluation, on one NVIDIA card."""
    return Sizing(resolved, registry).estimate()


class Sizing:
    """One spec, with what its stages have in common."""

    def __init__(self, resolved: Resolved, registry: Registry) -> None:
        self.resolved, self.spec = resolved, resolved.spec
        precision = self.spec.compute.precision
        self.precision = "bf16" if precision == "auto" else precision
        self.builder = Builder.of(resolved, registry, device=torch.device("cuda"), precision=self.precision)
        self.builder.context = dataclasses.replace(self.builder.context, device=None)
        self.tokens = 1  # with the context tokens, once a compressor could be built

    def estimate(self) -> Estimate:
        """The memory of every stage and of the evaluation."""
        stages = {name: getattr(self.spec.stages, name) for name in STAGES}
        parts = self.parts()
        self.sizes = self.trainable_sizes(parts)
        rows = [
            self.stage(name, settings, parts) for name, settings in stages.items() if settings is not None
        ]
        rows.append(self.evaluation(parts))
        return Estimate(self.precision, tuple(rows), parts, self.unknown(parts))

    def unknown(self, parts: Mapping[str, Footprint]) -> dict[str, str]:
        """The models of backbone and head that are not among the known ``parts``."""
        return {
            name: str(getattr(self.resolved.config(name), "model", ""))
            for name in ("backbone", "diffusion")
            if name in self.resolved.offers and name not in parts
        }

    def parts(self) -> dict[str, Footprint]:
        """Backbone and head while they read and sample, by name; those that are not known are left out."""
        loads = {
            "backbone": Workload(self.spec.evaluation.batch_size, gradients=False),
            "diffusion": Workload(SAMPLING_BATCH, gradients=False),
        }
        found = {name: self.footprint(name, load) for name, load in loads.items()}
        return {name: one for name, one in found.items() if one is not None}

    def footprint(self, name: str, load: Workload) -> Footprint | None:
        """Of the component at ``name`` for one step; None where the spec has none or its model is not known."""
        if name not in self.resolved.offers:
            return None
        component, config = self.resolved.offers[name], self.resolved.config(name)
        found: Footprint | None = component.load().footprint(
            config, self.builder.context_of(name), self.mixed(load)
        )
        return found

    def mixed(self, load: Workload) -> Workload:
        """The same load in the run's precision."""
        return dataclasses.replace(
            load, autocast=None if self.precision == "fp32" else DTYPES[self.precision]
        )

    def trainable_sizes(self, parts: Mapping[str, Footprint]) -> dict[str, int]:
        """How many parameters each group has that a stage may train."""
        sizes = {"adapters": 0, "diffusion": 0}
        for group, name in (("adapters", "backbone"), ("diffusion", "diffusion")):
            if name in parts:
                sizes[group] = parts[name].trainable
        if "backbone" not in parts:
            return sizes
        width, head = parts["backbone"].details["hidden_size"], parts.get("diffusion")
        widths = [
            value for key, value in (head.details if head else {}).items() if key.startswith("token_width")
        ]
        if self.spec.reading == "explicit":
            self.tokens = self.spec.reason_tokens
            return {**sizes, **dict.fromkeys(("knowledge", "tokens", "head", "fusion"), 0)}
        labels = len(self.builder.context.labels)
        self.builder.set_sizes(hidden_size=width, text_width=TEXT_WIDTH if self.spec.knowledge else 0)
        compressor = self.builder.build("compressor")
        self.builder.set_sizes(context_tokens=compressor.context_tokens, token_widths=tuple(widths))
        fusion = self.builder.optional("fusion") if widths else None
        knowledge = sum(one.numel() for one in compressor.knowledge_parameters().values())
        self.tokens = compressor.context_tokens + 1
        return {
            **sizes,
            "knowledge": knowledge,
            "tokens": sum(one.numel() for one in compressor.parameters()) - knowledge,
            "head": (head_width(width, self.spec.head.reads) + 1) * HEAD_WIDTH + (HEAD_WIDTH + 1) * labels,
            "fusion": sum(one.numel() for one in fusion.parameters()) if fusion is not None else 0,
        }

    def stage(self, name: str, settings: StageSettings, parts: Mapping[str, Footprint]) -> StageMemory:
        """One training stage, as the spec has it and with gradient checkpointing."""
        shared = self.shares_prefix(name, settings)
        active = any(part.checkpointing for part in parts.values())
        return StageMemory(
            name,
            settings.batch_size,
            sum(part.weight_bytes for part in parts.values()),
            self.trained_bytes(settings.train),
            self.training_peak(name, settings, shared),
            None if active or shared else self.training_peak(name, settings, shared, checkpointing=True),
        )

    def shares_prefix(self, name: str, settings: StageSettings) -> bool:
        """Whether rollouts read a shared prefix, which holds no activations of the prompt."""
        capable = "prefix" in self.resolved.offers["backbone"].spec.capabilities
        return isinstance(settings, ReinforceStage) and settings.share_prefix and capable

    def training_peak(
        self, name: str, settings: StageSettings, shared: bool, checkpointing: bool | None = None
    ) -> int:
        """Most bytes of activations alive at once in a step: the head's backward pass runs on top of what the backbone
        holds for its own, which comes after it."""
        load = Workload(
            settings.batch_size,
            tokens=self.tokens,
            readings=(self.tries(),) if name == "reinforce" else (1,),
            shared=shared,
            learns="adapters" in settings.train,
            checkpointing=checkpointing,
        )
        backbone = self.footprint("backbone", load)
        held, peak = (backbone.held_bytes, backbone.peak_bytes) if backbone is not None else (0, 0)
        if name != "unify":
            return peak
        learns = "diffusion" in settings.train
        head = self.footprint(
            "diffusion", Workload(settings.batch_size, learns=learns, checkpointing=checkpointing)
        )
        return peak if head is None else max(peak, held + head.peak_bytes)

    def tries(self) -> int:
        """Rows a sample that the reinforcer reads; the cross entropy takes its reading."""
        rows: int = self.resolved.offers["reinforcer"].load().readings(self.resolved.config("reinforcer"))
        return rows

    def trained_bytes(self, groups: Sequence[str]) -> int:
        """Everything that can train, and gradients and moments of what does."""
        return sum(
            size * (TRAINED_BYTES if group in groups else TRAINED_BYTES // 4)
            for group, size in self.sizes.items()
        )

    def evaluation(self, parts: Mapping[str, Footprint]) -> StageMemory:
        """Reading and sampling, which also happen within stages."""
        return StageMemory(
            "evaluate",
            self.spec.evaluation.batch_size,
            sum(part.weight_bytes for part in parts.values()),
            self.trained_bytes([]),
            max((part.peak_bytes for part in parts.values()), default=0),
        )
