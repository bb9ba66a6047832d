"""The shape of a spec: pydantic models of every section. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

PresetName = Literal["paper", "official", "emosym"]
Group = Literal["adapters", "tokens", "knowledge", "head", "fusion", "diffusion"]
"""What a stage may train; ``knowledge`` is the compressor's projection, which only its knowledge loss reaches."""
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
NAME_WORDS = "letters, digits, dots, dashes and underscores, a letter or digit first"
"""What the pattern says, for people."""


class Section(BaseModel):
    """A part of a spec: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)


class Component(Section):
    """A component by name, with parameters that its own config model validates."""

    name: str
    """The component's name, or plugin-id/name where two plugins offer it."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The component's own parameters."""


class Reward(Component):
    """A reward and its share of the total."""

    weight: float = Field(default=1.0, ge=0)
    """Its share: the total is the weighted sum."""


class Plugins(Section):
    """Which plugins may load."""

    only: list[str] | None = None
    """Allow-list of plugin ids; null lets every installed plugin load."""


class Judges(Section):
    """Emotion classifiers independent of the system. The evaluation judge must be none of the others."""

    reward: Component | None = None
    """Asked by rewards that want a judge."""
    bank: Component | None = None
    """Scores candidates for the memory bank, beside the system itself."""
    evaluate: Component | None = None
    """Measures generated images; must be none of the others."""


class Optim(Section):
    """AdamW and its schedule; a stage may override the rate of a parameter group."""

    lr: float = Field(default=1e-4, gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(default=0.1, ge=0)
    """AdamW's decoupled weight decay."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the rate falls after the warm-up."""
    warmup: float = Field(default=0.03, ge=0, lt=1)
    """Share of the steps that warm up linearly."""
    clip: float = Field(default=1.0, gt=0)
    """Largest gradient norm."""


class Compute(Section):
    """Where and how the run computes; none of it should change what is learned."""

    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` …"""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """``auto``: bf16 where the hardware multiplies it natively, else fp32."""
    workers: int = Field(default=2, ge=0)
    """Processes that load data; 0 loads in the run's own."""
    checkpoint_minutes: float = Field(default=5.0, gt=0)
    """Minutes between checkpoints of a running stage."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Batches that make one optimiser step."""


class StageSettings(Section):
    """What all stages share. Values a spec leaves out come from the stage's preset."""

    preset: PresetName = "emosym"
    """Where values that are left out come from: the paper's text, the authors' code, or ours."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the training set; ignored where ``steps`` is given."""
    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps."""
    batch_size: int = Field(default=32, ge=1)
    """Images in a batch."""
    train: list[Group]
    """Parameter groups that learn in this stage; the others are frozen."""
    lr: dict[Group, float] = Field(default_factory=dict)
    """Learning rates that replace ``optim.lr`` for a group."""
    ce_weight: float = Field(default=1.0, ge=0)
    """Weight of the cross entropy of the emotion head."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, value: Any) -> Any:
        if isinstance(value, dict):
            stage = cls.__name__.removesuffix("Stage").lower()
            preset = value.get("preset", "emosym")
            chosen = STAGE_PRESETS.get(stage, {}).get(preset, {}) if isinstance(preset, str) else {}
            return {**chosen, **value}
        return value


class CompressStage(StageSettings):
    """Stage 1: press knowledge into the reasoning tokens."""

    knowledge_weight: float = Field(default=0.5, ge=0)
    """Weight of the compressor's own loss."""


class ReinforceStage(StageSettings):
    """Stage 2: sharpen the tokens with verifiable rewards."""

    share_prefix: bool = True
    """Encode the prompt of a batch once for all its rollouts. Where adapters train too, their gradient then comes from
    the reasoning tokens' positions alone; false passes every rollout through the whole prompt."""


class Refreshing(Section):
    """When and how the memory bank takes in generated images."""

    every: int = Field(default=100, ge=1)
    """T, optimiser steps between refreshes."""
    per_class: int = Field(default=8, ge=1)
    """n, candidates generated for each emotion."""
    sampling_steps: int | None = Field(default=None, ge=1)
    """Denoising steps of a candidate; null leaves it to the diffusion head."""
    guidance_scale: float | None = Field(default=None, ge=0)
    """Classifier-free guidance of a candidate; null leaves it to the diffusion head."""
    tolerance: float | None = Field(default=None, ge=0, le=1)
    """Roll a refresh back when validation accuracy falls by more than this before the next one; null never does."""


class UnifyStage(StageSettings):
    """Stage 3: fuse, generate, feed back."""

    diffusion_weight: float = Field(default=1.0, ge=0)
    """Weight of the denoising loss."""
    token_gradient: float = Field(default=1.0, ge=0)
    """Scale of the diffusion loss's gradient into tokens and backbone; 0 cuts it."""
    context_scale: float = Field(default=1.0, ge=0)
    """Weight of the context states in the fusion, the same in training and in sampling."""
    prompts: list[str] = Field(default_factory=lambda: ["a picture of {emotion}"], min_length=1)
    """Prompts a training image is paired with; {emotion} is where the fused vectors go."""
    refresh: Refreshing | None = Field(default_factory=Refreshing)
    """Null trains without the memory bank."""


STAGE_PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "compress": {
        "paper": {"train": ["adapters", "tokens", "knowledge", "head"], "ce_weight": 0.5, "knowledge_weight": 0.5, "epochs": 3, "batch_size": 128},
        "official": {"train": ["adapters", "tokens", "knowledge", "head"], "ce_weight": 0.5, "knowledge_weight": 0.5, "epochs": 5, "batch_size": 128},
        "emosym": {"train": ["adapters", "tokens", "knowledge", "head"], "ce_weight": 1.0, "knowledge_weight": 0.5, "epochs": 3, "batch_size": 32},
    },
    "reinforce": {
        "paper": {"train": ["adapters", "tokens", "head"], "ce_weight": 1.0, "epochs": 1, "batch_size": 32, "share_prefix": False},
        "official": {"train": ["adapters", "tokens", "head"], "ce_weight": 1.0, "epochs": 1, "batch_size": 32, "share_prefix": False},
        "emosym": {"train": ["adapters", "tokens", "head"], "ce_weight": 0.5, "epochs": 1, "batch_size": 32},
    },
    "unify": {
        "paper": {
            "train": ["tokens", "head", "fusion"], "ce_weight": 1.0, "diffusion_weight": 1.0, "epochs": 1, "batch_size": 16,
            "lr": {"fusion": 1e-3, "tokens": 1e-4, "head": 1e-4},
            "refresh": {"guidance_scale": 7.5, "sampling_steps": 50},
        },
        "official": {
            "train": ["tokens", "head", "fusion"], "ce_weight": 1.0, "diffusion_weight": 1.0, "epochs": 1, "batch_size": 1,
            "lr": {"fusion": 1e-3, "tokens": 1e-4, "head": 1e-4},
            "refresh": {"guidance_scale": 7.5, "sampling_steps": 50},
        },
        "emosym": {
            "train": ["adapters", "tokens", "head", "fusion"], "ce_weight": 1.0, "diffusion_weight": 1.0, "token_gradient": 0.1,
            "epochs": 1, "batch_size": 32, "lr": {"fusion": 1e-3}, "refresh": {"tolerance": 0.02},
        },
    },
}  # fmt: skip


class Stages(Section):
    """The stages a run goes through, in this order; null leaves one out."""

    compress: CompressStage | None = Field(default_factory=lambda: CompressStage.model_validate({}))
    """Stage 1: press knowledge into the reasoning tokens."""
    reinforce: ReinforceStage | None = Field(default_factory=lambda: ReinforceStage.model_validate({}))
    """Stage 2: sharpen the tokens with verifiable rewards."""
    unify: UnifyStage | None = Field(default_factory=lambda: UnifyStage.model_validate({}))
    """Stage 3: fuse, generate, feed back."""


STAGES = tuple(Stages.model_fields)
"""Names of the stages, in the order in which a run goes through them."""


class Evaluation(Section):
    """What is evaluated, beside the list of metrics."""

    split: Literal["val", "test"] = "test"
    """Part of the data that is measured on."""
    per_class: int = Field(default=16, ge=2)
    """Generated (and real) images for each emotion."""
    sampling_steps: int | None = Field(default=None, ge=1)
    """Denoising steps; null leaves it to the diffusion head."""
    guidance_scale: float | None = Field(default=None, ge=0)
    """Classifier-free guidance; null leaves it to the diffusion head."""
    prompt: str = "a picture of {emotion}"
    """Prompt of the generated images; {emotion} is where the fused vectors go."""
    batch_size: int = Field(default=64, ge=1)
    """Images read or generated at once."""


class Spec(Section):
    """A whole experiment."""

    emosym: Literal[1]
    """Version of the spec format."""
    name: str = Field(pattern=NAME_PATTERN)
    """The run folder is runs/NAME unless --out says otherwise."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    """Seed of everything random in the run."""
    labels: str | list[str] = "mikels-8"
    """``mikels-8``, ``binary``, or a list of emotion names."""
    plugins: Plugins = Field(default_factory=Plugins)
    """Which plugins may load."""
    data: Component
    """The images and their labels."""
    knowledge: Component | None = None
    """What is known of an image in words, for the compressor."""
    text_encoder: Component | None = None
    """Turns knowledge and attributes into vectors."""
    backbone: Component
    """The multimodal language model that looks at the image."""
    compressor: Component
    """Owns the reasoning tokens and presses knowledge into them."""
    rewards: list[Reward] = Field(default_factory=list)
    """What the reinforce stage rewards."""
    reinforcer: Component | None = None
    """How rewards become a loss."""
    fusion: Component | None = None
    """Makes the diffusion head's conditioning vectors of the reasoning tokens' states."""
    emotion_space: Component | None = None
    """Statistics of the states by emotion, to generate without an image."""
    diffusion: Component | None = None
    """The diffusion model that draws."""
    memory: Component | None = None
    """The bank that feeds generated images back; null does without."""
    judges: Judges = Field(default_factory=Judges)
    """Emotion classifiers that are independent of the system."""
    optim: Optim = Field(default_factory=Optim)
    """The optimiser and its schedule."""
    compute: Compute = Field(default_factory=Compute)
    """Where and how the run computes."""
    stages: Stages = Field(default_factory=Stages)
    """The stages of the run; null leaves one out."""
    evaluation: Evaluation = Field(default_factory=Evaluation)
    """What is evaluated, and how."""
    metrics: list[Component] = Field(default_factory=list)
    """What is measured."""

    @model_validator(mode="before")
    @classmethod
    def _bare_names(cls, value: Any) -> Any:
        """A component may be written as its bare name."""
        if not isinstance(value, dict):
            return value
        value = dict(value)
        for key in COMPONENT_KEYS:
            if isinstance(value.get(key), str):
                value[key] = {"name": value[key]}
        if isinstance(value.get("judges"), dict):
            value["judges"] = {
                k: {"name": v} if isinstance(v, str) else v for k, v in value["judges"].items()
            }
        for key in ("rewards", "metrics"):
            if isinstance(value.get(key), list):
                value[key] = [{"name": item} if isinstance(item, str) else item for item in value[key]]
        return value


COMPONENT_KEYS: dict[str, str] = {
    "data": "dataset", "knowledge": "knowledge", "text_encoder": "text_encoder", "backbone": "backbone",
    "compressor": "compressor", "reinforcer": "reinforcer", "fusion": "fusion", "emotion_space": "emotion_space",
    "diffusion": "diffusion", "memory": "memory",
}  # fmt: skip
"""Spec key → component kind, for sections that hold one component."""
