"""Parameters of every component of this plugin; imports no torch."""

from __future__ import annotations

from typing import Literal

from emosym_registry import EmosymError
from pydantic import Field, model_validator

from emosym.contracts import MIKELS_8, ComponentConfig, LabelSet, require_labels


class TokensConfig(ComponentConfig):
    """Reasoning tokens without knowledge (compressor ``none``)."""

    tokens: int = Field(default=4, ge=1)
    """K, the number of [CTX] tokens."""
    control: Literal["random", "zero"] | None = None
    """A control of the method: all tokens frozen at their random start, or all zero. Null trains them."""


class ContrastiveConfig(TokensConfig):
    """Knowledge pressed into the context states by InfoNCE. ``paper``/``official``: symmetric false,
    mask_identical false, projection text."""

    temperature: float = Field(default=0.07, gt=0)
    """τ of the InfoNCE softmax."""
    symmetric: bool = True
    """Average both directions (context finds text, text finds context); false keeps the first alone."""
    mask_identical: bool = True
    """Samples whose text is the same as one's own are not its negatives."""
    projection: Literal["context", "text"] = "context"
    """Which side the learned projection is on: ``context`` keeps the text space fixed and gives the rewards
    context features to read, ``text`` projects the text into the hidden space."""


class PrivilegedConfig(ContrastiveConfig):
    """Generalized distillation: a linear teacher over the text learns from the labelled images, and the head follows its
    soft labels on all that have text. The weights are meant for ``stages.compress.knowledge_weight: 1``."""

    match_weight: float = Field(default=1.0, ge=0)
    """Weight of KL(teacher ‖ head), on every image with text."""
    labels: Literal["soft", "hard"] = "soft"
    """What the head follows: the teacher's probabilities, or its most probable emotion alone (pseudo-labels, the baseline)."""
    ramp: int = Field(default=30, ge=0)
    """Optimiser steps over which that weight grows from 0, while the teacher knows little yet."""
    decay: float = Field(default=0.01, ge=0)
    """Weight of the teacher's ‖W‖²: few labels fit any weights."""
    contrast_weight: float = Field(default=0.5, ge=0)
    """Weight of InfoNCE beside it; 0 does without its projection, which rewards that read context features need."""


class DistillConfig(TokensConfig):
    """Self-distillation: the same backbone reading the knowledge text is the teacher."""

    distance_weight: float = Field(default=1.0, gt=0)
    """Weight of the distance between hidden states with and without the text."""
    teacher_weight: float = Field(default=1.0, ge=0)
    """Weight of the cross entropy of the reading with text, on labelled images; 0 leaves the teacher as it is, and its
    pass without a gradient."""
    positions: Literal["emotion", "all"] = "emotion"
    """Whose states are compared: the answer's, [EMO], or all reasoning tokens'. ``all`` where the head reads [CTX]."""


class LabelRewardConfig(ComponentConfig):
    """1 where the action is the annotated emotion."""


class ConfidenceRewardConfig(ComponentConfig):
    """The reward of the paper: 0.3·1[argmax p = y] + 0.7·p_y."""

    correct: float = Field(default=0.3, ge=0, le=1)
    """Weight of a correct reading."""
    confidence: float = Field(default=0.7, ge=0, le=1)
    """Weight of the probability of the annotated emotion."""

    @model_validator(mode="after")
    def _in_range(self) -> ConfidenceRewardConfig:
        if self.correct + self.confidence > 1 + 1e-9:
            raise ValueError("correct + confidence must not exceed 1, the upper end of a reward's range")
        return self


class ValenceRewardConfig(ComponentConfig):
    """1 where the action is as positive or negative as the annotated emotion."""

    def check_labels(self, labels: LabelSet) -> None:
        labels.require_signs("reward valence")
        signs = {labels.positive(index) for index in range(len(labels))}
        if len(signs) == 1:
            raise EmosymError(
                "spec.labels-do-not-fit",
                f"reward valence tells positive from negative emotions; {', '.join(labels.names)} are all "
                f"{'positive' if signs == {True} else 'negative'}",
                hint="leave valence out, or use labels of both kinds",
            )


class WheelRewardConfig(ComponentConfig):
    """1 − steps on Mikels' wheel between action and annotated emotion / 4."""

    def check_labels(self, labels: LabelSet) -> None:
        require_labels(labels, MIKELS_8, "reward wheel")


class BrierRewardConfig(ComponentConfig):
    """1 − ½·Σ(p − onehot)²: the reading's calibration, whatever the action."""


class AttributesRewardConfig(ComponentConfig):
    """How well a try's context finds the text of its own image's scene and objects within the batch."""

    mode: Literal["rank", "probability"] = "rank"
    """``rank``: share of the other texts that are further away; ``probability``: softmax over the texts."""
    temperature: float = Field(default=0.07, gt=0)
    """Of the softmax in mode ``probability``."""
    template: str = "a photo of {object} in {scene}"
    """Text of an image, with {object}, {scene} or both. One that has but one is described by that alone."""

    @model_validator(mode="after")
    def _names_something(self) -> AttributesRewardConfig:
        try:
            filled = self.template.format(object="\0", scene="\0")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError("template may use {object} and {scene} only") from error
        if "\0" not in filled:
            raise ValueError("template must use {object} or {scene}")
        return self


class ConsistencyRewardConfig(ComponentConfig):
    """Probability of the action when the model reads a copy of the image, mirrored, cropped and relit."""

    flip: bool = True
    """Mirror the copy."""
    crop: float = Field(default=0.1, ge=0, lt=0.5)
    """Largest share of each side that is cut away."""
    light: float = Field(default=0.2, ge=0, lt=1)
    """Largest change of brightness and of colour, as a share."""


class KnowledgeRewardConfig(ComponentConfig):
    """Probability that the image's reasoning text argues for the action, as a linear teacher reads it."""

    decay: float = Field(default=1e-2, gt=0)
    """Weight of the squared weights beside the teacher's mean cross entropy."""


class JudgeRewardConfig(ComponentConfig):
    """Probability that an independent judge (``judges.reward``) gives the action."""


class ReinforcerConfig(ComponentConfig):
    """What reinforcers share."""

    beta: float = Field(default=0.1, ge=0)
    """β, weight of the divergence from the frozen stage-1 model, computed exactly over the emotions."""
    target_kl: float | None = Field(default=None, gt=0)
    """The divergence, in nats, that β adapts to from step to step; null keeps β."""

    @model_validator(mode="after")
    def _adapts(self) -> ReinforcerConfig:
        if self.target_kl is not None and not self.beta:
            raise ValueError("target_kl multiplies beta, which must then be above 0")
        return self


class PaperConfig(ReinforcerConfig):
    """−mean(r·p_y) + β·KL(p‖p_ref) on the deterministic reading."""


class ExactConfig(ReinforcerConfig):
    """−Σ_a p(a)·r(a) + β·KL over all emotions: no sampling, no variance."""


class GrpoConfig(ReinforcerConfig):
    """Group-relative policy gradient over latent context tokens."""

    rollouts: int = Field(default=8, ge=2)
    """G, tries per image; even where ``antithetic``."""
    sigma: float = Field(default=0.3, gt=0)
    """Noise on the context tokens as a share of the tokens' own standard deviation."""
    clip: float = Field(default=0.2, gt=0)
    """The probability ratio is clipped to [1 − clip, 1 + clip]."""
    normalise: bool = True
    """Divide advantages by their group's standard deviation; false only centres them."""
    latent_weight: float = Field(default=1.0, ge=0)
    """Weight of the latent's log density, a mean over its K·D dimensions; 0 trains on the action alone."""
    antithetic: bool = True
    """Draw the noise in pairs ±ε."""

    @model_validator(mode="after")
    def _pairs(self) -> GrpoConfig:
        if self.antithetic and self.rollouts % 2:
            raise ValueError("rollouts must be even where antithetic is true")
        return self


class VectorsConfig(ComponentConfig):
    """What fusions share: how many vectors, and their scale."""

    vectors: int = Field(default=4, ge=1)
    """n, placeholder tokens in a prompt."""
    standardise: bool = True
    """Give every feature of the states mean 0 and deviation 1, measured once before training."""
    norm: Literal["vocabulary", "free"] = "vocabulary"
    """``vocabulary``: each vector has the mean norm of the encoder's embeddings times a learned gain."""


class FusionConfig(VectorsConfig):
    """Fused vectors for the diffusion prompt. ``paper``: vectors 1, norm free, standardise false;
    ``official``: the same with activation relu."""

    hidden: int = Field(default=1024, ge=1)
    """Width of the hidden layer."""
    activation: Literal["gelu", "relu"] = "gelu"
    """What follows the hidden layer."""
    context: Literal["mean", "flatten"] = "mean"
    """How K context states enter: their mean, or one after the other."""


class ResamplerConfig(VectorsConfig):
    """n learned queries that attend to the context states and the emotion state, each for itself."""

    width: int = Field(default=512, ge=1)
    """Width of queries, keys and values."""
    heads: int = Field(default=8, ge=1)
    """Heads of the attention; they divide the width."""
    layers: int = Field(default=2, ge=1)
    """Layers of cross attention, each with a feed-forward layer of four times the width."""

    @model_validator(mode="after")
    def _whole_heads(self) -> ResamplerConfig:
        if self.width % self.heads:
            raise ValueError(f"expected heads that divide width {self.width}, found {self.heads}")
        return self


class DiagonalConfig(ComponentConfig):
    """Independent Gaussians per feature (the paper's emotion space)."""


class GaussianConfig(ComponentConfig):
    """A joint low-rank Gaussian per emotion."""

    rank: int = Field(default=32, ge=1)
    """Principal directions kept per emotion; the rest of each variance stays, as independent noise."""
    shrinkage: float = Field(default=16.0, ge=0)
    """Samples that the covariance common to all emotions counts as, when mixed into an emotion's own."""


class KdeConfig(ComponentConfig):
    """Real states of the training set with a little noise (kernel density)."""

    per_class: int = Field(default=512, ge=1)
    """States remembered per emotion, drawn at random where there are more."""
    bandwidth: float = Field(default=0.1, ge=0)
    """Noise per feature as a share of its deviation within the emotion; 0 replays the states themselves."""
    interpolate: float = Field(default=0.0, ge=0, le=1)
    """How far at most a draw moves towards a second remembered state of its emotion: for variety where few are known."""


class MixtureConfig(ComponentConfig):
    """A Gaussian mixture per emotion, on the principal directions common to all emotions."""

    components: int = Field(default=4, ge=1)
    """Gaussians of an emotion at most."""
    per_component: int = Field(default=8, ge=1)
    """States of an emotion that each Gaussian needs: one with fewer states has fewer Gaussians, and at least one."""
    rank: int = Field(default=32, ge=1)
    """Principal directions in which the Gaussians are fitted; the rest of each variance stays, as independent noise."""
    shrinkage: float = Field(default=8.0, ge=0)
    """States that the spread common to all Gaussians counts as, when mixed into the spread of one."""
