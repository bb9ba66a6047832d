"""The shape of a spec: pydantic models of every section. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

PresetName = Literal["paper", "official", "emosym"]
"""The presets that emosym brings: whole specs, each of whose stages a spec can take alone."""
TrackerName = Literal[
    "tensorboard", "wandb", "mlflow", "comet_ml", "aim", "clearml", "dvclive", "swanlab", "trackio"
]
Group = Literal["adapters", "tokens", "knowledge", "head", "fusion", "diffusion"]
"""What a stage may train; ``knowledge`` is the compressor's projection, which its own loss alone reaches."""
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
NAME_WORDS = "letters, digits, dots, dashes and underscores, a letter or digit first"
"""What the pattern says, for people."""
NonNegative = Annotated[float, Field(ge=0)]


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

    weight: NonNegative = 1.0
    """Its share: the total is the weighted sum."""


class Tracker(Section):
    """A tracker of Accelerate, which brings its library: ``pip install wandb``."""

    name: TrackerName
    """The tracker, as Accelerate calls it."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Arguments of its constructor."""


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


class Head(Section):
    """The emotion head, which names the emotion of states."""

    reads: Literal["emotion", "context", "both"] = "emotion"
    """What it looks at: the state of [EMO], the mean of the states of [CTX], or both."""


class Optim(Section):
    """AdamW and its schedule; a stage may override the rate of a parameter group."""

    lr: float = Field(default=1e-4, gt=0)
    """Peak learning rate."""
    weight_decay: NonNegative = 0.1
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
    """Threads that decode pictures ahead; 0 decodes each where it is needed."""
    checkpoint_minutes: float = Field(default=5.0, gt=0)
    """Minutes between checkpoints of a running stage."""
    keep_checkpoints: int = Field(default=1, ge=1)
    """How many checkpoints of a running stage are kept, the newest; more than one stay when it is done."""
    gradient_accumulation: int = Field(default=1, ge=1)
    """Batches that make one optimiser step."""
    cache_megabytes: int = Field(default=4096, ge=0)
    """Megabytes on disk, for all runs together, of what is computed of a picture once: keys and values of its prompt or its
    vision features, its latents. 0 keeps nothing. `emosym cache` shows and clears it."""


class StageSettings(Section):
    """What all stages share. No key has a default: what a spec leaves out is the stage's preset's."""

    preset: PresetName
    """Where values that are left out come from: the paper's text, the authors' code, or ours."""
    epochs: float = Field(gt=0)
    """Passes over as many images as the training set has; ignored where ``steps`` is given. With ``labelled_share`` or
    ``by_class`` an epoch draws the rarer images more often than once, and not all of the others."""
    steps: int | None = Field(ge=1)
    """Optimiser steps."""
    batch_size: int = Field(ge=1)
    """Images in a batch."""
    labelled_share: float | None = Field(ge=0, le=1)
    """Share of labelled images in a batch, where the training set has both sorts; null draws all as they come."""
    by_class: bool
    """The labelled images of a batch come from all emotions alike."""
    train: list[Group]
    """Parameter groups that learn in this stage; the others are frozen."""
    lr: dict[Group, float]
    """Learning rates that replace ``optim.lr`` for a group."""
    ce_weight: NonNegative
    """Weight of the cross entropy of the emotion head."""


class CompressStage(StageSettings):
    """Stage 1: press knowledge into the reasoning tokens."""

    knowledge_weight: NonNegative
    """Weight of the compressor's own loss."""


class EarlyStop(Section):
    """When reinforcing has gone wrong: the stage then ends, with the best weights that were looked at.

    Validation images are read before the first step and then every so often: the mean entropy of their readings, and the
    total reward that the readings expect.
    """

    every: int = Field(ge=1)
    """Optimiser steps between looks; the last step is looked at too."""
    images: int = Field(ge=1)
    """Validation images that are read, the first ones; fewer where there are fewer."""
    entropy: float = Field(ge=0, le=1)
    """The readings have collapsed when their entropy falls below this share of what it was at the start; 0 does not look."""
    reward: float | None = Field(ge=0)
    """Reinforcing has done harm when the expected total reward falls below that of the start by more than this; null does
    not look."""


class Examples(Section):
    """Rollouts that are written down for people, in ``rollouts.jsonl``."""

    every: int = Field(ge=1)
    """Optimiser steps between them; the first step has some too."""
    images: int = Field(ge=1)
    """Images of the batch whose tries are written down."""


class ReinforceStage(StageSettings):
    """Stage 2: sharpen the tokens with verifiable rewards."""

    share_prefix: bool
    """Encode the prompt of a batch once for all its rollouts. Where adapters train too, their gradient then
    comes from the reasoning tokens' positions alone; false passes every rollout through the whole prompt."""
    calibrate: bool
    """Divide the head's logits at the end by the temperature that fits the labelled validation images best (Guo et al.
    2017): no reading changes, how sure it is does."""
    early_stop: EarlyStop | None
    """Null trains all steps whatever happens."""
    examples: Examples | None
    """Null writes no rollouts down."""


class Refreshing(Section):
    """When and how the memory bank takes in generated images."""

    every: int = Field(ge=1)
    """T, optimiser steps between refreshes."""
    per_class: int = Field(ge=1)
    """n, candidates generated for each emotion."""
    sampling_steps: int | None = Field(ge=1)
    """Denoising steps of a candidate; null leaves it to the diffusion head."""
    guidance_scale: float | None = Field(ge=0)
    """Classifier-free guidance of a candidate; null leaves it to the diffusion head."""
    tolerance: float | None = Field(ge=0, le=1)
    """Roll a refresh back when validation accuracy falls by more than this before the next; null never does."""
    validation: int | None = Field(ge=1)
    """Validation images, drawn by the seed, on which that accuracy is measured; null takes all."""
    confidences: Literal["all", "seen"]
    """Of which originals the bank is told how sure the model is of their label, so that they can be replaced: of ``all``, read
    anew at every refresh, or of those that this stage has ``seen`` (the first process, where there are several), as it saw
    them last."""
    context: Literal["space", "unlabelled"]
    """Where a candidate's context states come from: drawn with the emotion's, or of an unlabelled training picture."""
    prompts: list[str] | None = Field(min_length=1)
    """Prompts of candidates, in turn, such as "a {emotion} street"; null takes the first of the stage."""


class UnifyStage(StageSettings):
    """Stage 3: fuse, generate, feed back."""

    diffusion_weight: NonNegative
    """Weight of the denoising loss."""
    token_gradient: NonNegative
    """Scale of the diffusion loss's gradient into tokens and backbone; 0 cuts it."""
    context_scale: NonNegative
    """Weight of the context states in the fusion, the same in training and in sampling."""
    prompts: list[str] = Field(min_length=1)
    """Prompts a training image is paired with; {emotion} is where the fused vectors go."""
    unlabelled: bool
    """Whether pictures without a label teach denoising too; the cross entropy and the emotion space see labelled ones alone."""
    fit_per_class: int | None = Field(ge=1)
    """Labelled images of each emotion, drawn by the seed, that the emotion space is fitted to; null takes all."""
    refresh: Refreshing | None
    """Null trains without the memory bank."""

    @model_validator(mode="after")
    def _head_learns_from_labels(self) -> UnifyStage:
        if self.ce_weight == 0 and "head" in self.train:
            raise ValueError("with ce_weight: 0 no loss reaches the head; take head out of train")
        return self


class Stages(Section):
    """The stages a run goes through, in this order; null leaves one out."""

    compress: CompressStage | None
    """Stage 1: press knowledge into the reasoning tokens."""
    reinforce: ReinforceStage | None
    """Stage 2: sharpen the tokens with verifiable rewards."""
    unify: UnifyStage | None
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
    labels: str | list[str] | dict[str, Literal["positive", "negative"] | None] = "mikels-8"
    """``mikels-8``, ``binary``, a list of emotion names, or names with their signs (``{happy: positive, tired: null}``)."""
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
    head: Head = Field(default_factory=Head)
    """The emotion head, which names the emotion of states."""
    reading: Literal["latent", "explicit"] = "latent"
    """``latent`` reads through reasoning tokens and the emotion head. ``explicit`` is the baseline: the backbone writes a
    reason and then the emotion, learnt in compress from the same texts; there are no tokens, no head and no other stage."""
    reason_tokens: int = Field(default=64, ge=1)
    """Most new tokens of a reason (``reading: explicit``); one that is longer is ended there, and answered."""
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
    stages: Stages
    """The stages of the run; null leaves one out."""
    evaluation: Evaluation = Field(default_factory=Evaluation)
    """What is evaluated, and how."""
    metrics: list[Component] = Field(default_factory=list)
    """What is measured."""
    trackers: list[Tracker] = Field(default_factory=list)
    """Where a run's scalars go beside its own folder."""


COMPONENT_KEYS = {
    name: "dataset" if name == "data" else name
    for name, field in Spec.model_fields.items()
    if field.annotation in (Component, Component | None)
}
"""Spec key → component kind, for sections that hold one component."""
COMPONENT_LISTS = {"rewards": "reward", "metrics": "metric"}
"""Spec key → component kind, for sections that hold a list of components."""
