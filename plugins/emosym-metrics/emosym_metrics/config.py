"""Parameters of encoders, judges and metrics; imports no torch."""

from __future__ import annotations

from typing import Literal, Self

from emosym_registry import EmosymError
from pydantic import Field, NonNegativeFloat, field_validator, model_validator

from emosym.contracts import MIKELS_8, ComponentConfig, LabelSet, require_labels

PROMPT = "{prompt}"
"""The text of an image's own prompt."""


class TextEncoderConfig(ComponentConfig):
    """An open_clip model whose text tower gives the features."""

    model: str
    """A plugin's alias, a folder with open_clip's files, ``hf-hub:org/repo``, or a name of open_clip
    (ViT-L-14)."""
    pretrained: str | None = None
    """Weights of a named model (openai, laion2b_s32b_b82k) or a file; a folder or hub model brings its
    own."""
    batch_size: int = Field(default=64, ge=1)


class SentenceConfig(ComponentConfig):
    """Any sentence encoder of transformers."""

    hub_models = True
    model: str
    """A plugin's alias, a folder, or a hub id of an AutoModel with its tokenizer."""
    revision: str | None = None
    """Commit, tag or branch of a hub model."""
    pooling: Literal["mean", "first", "last"] | None = None
    """Which token states are the text's: the mean of all, the first, or the last; null takes what the model's own
    1_Pooling/config.json says, and the mean where it says nothing."""
    batch_size: int = Field(default=64, ge=1)


class OpenClipJudgeConfig(ComponentConfig):
    """A head on the image features of an open_clip model: either ``model`` or ``clip`` with ``head`` and
    ``head_labels``."""

    model: str | None = None
    """A plugin's alias, or a folder with ``head.safetensors`` and ``head.json``."""
    clip: str | None = None
    """The open_clip model, as the text encoder names it; replaces the one that ``head.json`` names."""
    pretrained: str | None = None
    """Weights of a named ``clip``."""
    head: str | None = None
    """A PyTorch or safetensors file with ``fc.weight`` [C,F] and ``fc.bias`` [C], such as EmoGen's
    published classifier."""
    head_labels: list[str] | None = None
    """The emotions of the rows of ``head``, in order: such a file does not say them, and a wrong order is a
    wrong judge."""
    normalize: bool | None = None
    """Whether the head takes unit-length features; by default what ``head.json`` says, and not for
    ``head``."""
    batch_size: int = Field(default=64, ge=1)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.model is None) == (self.head is None):
            raise ValueError("expected either model or head, found " + ("both" if self.model else "neither"))
        if self.head is not None and (self.clip is None or self.head_labels is None):
            raise ValueError(
                "head needs clip (the open_clip model it reads) and head_labels (the order of its rows)"
            )
        if self.head is None and self.head_labels is not None:
            raise ValueError("head_labels belongs to head; a folder's head.json names its labels")
        return self


class ProbeConfig(ComponentConfig):
    """A linear classifier on the image features of an open_clip model, taught by the run's labelled pictures alone."""

    model: str
    """The open_clip model, as the text encoder names it."""
    pretrained: str | None = None
    """Weights of a named model."""
    decay: float = Field(default=0.01, gt=0)
    """Weight of the squared weights beside the mean cross entropy, on standardised features."""
    per_class: int | None = Field(default=512, ge=1)
    """Labelled pictures of an emotion that it learns from, drawn by the run's seed; null takes all."""
    batch_size: int = Field(default=64, ge=1)


class ImageClassifierConfig(ComponentConfig):
    """Any image classifier of transformers."""

    hub_models = True
    model: str
    """A plugin's alias, a folder, or a hub id of an AutoModelForImageClassification with its image
    processor."""
    revision: str | None = None
    """Commit, tag or branch of a hub model."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Label of the model → emotion of the run, where they are called differently."""
    batch_size: int = Field(default=64, ge=1)


class MetricConfig(ComponentConfig):
    """A metric without parameters."""


class BootstrapConfig(ComponentConfig):
    """A metric whose 95 % interval comes from resampling the images."""

    resamples: int = Field(default=1000, ge=100)


class PositiveAccuracyConfig(MetricConfig):
    """Whether images are read as positive or negative, whichever emotion it is."""

    def check_labels(self, labels: LabelSet) -> None:
        labels.require_signs("metric positive-accuracy")
        if len({labels.positive(index) for index in range(len(labels))}) == 1:
            raise EmosymError(
                "spec.labels-do-not-fit",
                f"positive-accuracy: none or all of {', '.join(labels.names)} are positive",
                hint="leave positive-accuracy out of metrics",
            )


class WheelDistanceConfig(BootstrapConfig):
    """Steps around Mikels' wheel between reading and label."""

    def check_labels(self, labels: LabelSet) -> None:
        require_labels(labels, MIKELS_8, "metric wheel-distance")


class CalibrationConfig(BootstrapConfig):
    """Expected calibration error."""

    bins: int = Field(default=15, ge=2)
    """Equal bins of confidence."""


class ReadingTimeConfig(ComponentConfig):
    """What an image costs to read."""

    images: int = Field(default=256, ge=1)
    """Held-out images that are read in batches, drawn with the run's seed; all where there are fewer."""
    single: int = Field(default=32, ge=1)
    """How many of them are read one by one."""
    repeats: int = Field(default=3, ge=1)
    """Timed readings of the same images, whose median counts."""


class RewardConfig(BootstrapConfig):
    """Expected reward of the readings."""

    weights: dict[str, NonNegativeFloat] | None = None
    """By the names of the spec's rewards, how much each counts in the total; null takes the spec's own weights. Rows of a
    study that train on different rewards are compared by the same weights here; a reward that one of them shall not train
    on stands in its spec with weight 0."""

    @field_validator("weights")
    @classmethod
    def _count_something(cls, weights: dict[str, float] | None) -> dict[str, float] | None:
        if weights is not None and not any(weights.values()):
            raise ValueError("expected a weight above 0")
        return weights


class GenerationConfig(ComponentConfig):
    """A metric that has a judge look at images."""

    batch_size: int = Field(default=64, ge=1)


class DiversityConfig(GenerationConfig):
    """How different the images of one emotion are."""

    clip: str | None = None
    """An open_clip model, as the text encoder names it, whose image features are compared; by default the
    judge's."""
    pretrained: str | None = None
    """Weights of a named ``clip``."""

    def needs(self, declared: tuple[str, ...]) -> tuple[str, ...]:
        """No judge where a CLIP sees instead."""
        return tuple(need for need in declared if need != "judge" or self.clip is None)

    @model_validator(mode="after")
    def _weights_of_something(self) -> Self:
        if self.pretrained is not None and self.clip is None:
            raise ValueError("pretrained belongs to clip, which is not given")
        return self


class ContextEffectConfig(GenerationConfig):
    """What pictures that are made from real ones keep of them."""

    per_class: int = Field(default=4, ge=2)
    """Sources of each emotion, of those that the evaluation shows; five pictures are made of each."""
    scene: str | None = None
    """A classifier of scenes, as ``sem-c`` takes it; with ``object`` it measures how clear the pictures are."""
    object: str | None = None
    """A classifier of objects."""

    @model_validator(mode="after")
    def _both_or_none(self) -> ContextEffectConfig:
        if (self.scene is None) != (self.object is None):
            raise ValueError("give scene and object, or neither")
        return self


class ClipScoreConfig(BootstrapConfig):
    """How well images and the text of their emotion agree."""

    model: str
    """The open_clip model that sees and reads, as the text encoder names it."""
    pretrained: str | None = None
    """Weights of a named model."""
    text: str = "a picture that evokes {emotion}"
    """What an image is compared with; ``{emotion}`` stands for the name of the emotion it was made for. ``{prompt}``
    alone is the prompt that it was made from."""
    batch_size: int = Field(default=64, ge=1)

    @field_validator("text")
    @classmethod
    def _names_the_emotion(cls, text: str) -> str:
        if text.count("{emotion}") != 1 and text != PROMPT:
            raise ValueError(
                "expected {emotion} once, as in 'a picture that evokes {emotion}', or {prompt} alone"
            )
        return text


class FeatureConfig(GenerationConfig):
    """A metric that compares generated and real images by what a network sees in them."""

    features: Literal["inception", "clip", "judge"] = "inception"
    """``inception``: the InceptionV3 that everybody's FID and KID are of; ``clip``: the open_clip model
    ``model``; ``judge``: the evaluation judge. The figure is named after it: ``fid``, ``fid_clip``,
    ``fid_judge``."""
    weights: str | None = None
    """The InceptionV3's file, ``weights-inception-2015-12-05-6726825d.pth`` of torch-fidelity."""
    model: str | None = None
    """The open_clip model, as the text encoder names it."""
    pretrained: str | None = None
    """Weights of a named ``model``."""

    def needs(self, declared: tuple[str, ...]) -> tuple[str, ...]:
        """A judge only where it is what sees."""
        return tuple(need for need in declared if need != "judge" or self.features == "judge")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.model is not None) != (self.features == "clip"):
            raise ValueError("model belongs to features: clip, which needs it")
        if self.weights is not None and self.features != "inception":
            raise ValueError(f"weights belongs to features: inception, not to {self.features}")
        if self.pretrained is not None and self.model is None:
            raise ValueError("pretrained belongs to model, which is not given")
        return self


class KernelConfig(FeatureConfig):
    """Kernel Inception Distance."""

    subsets: int = Field(default=100, ge=10)
    """Random subsets whose mean it is."""
    subset_size: int = Field(default=1000, ge=2)
    """Images in a subset of each side; never more than half of the smaller side."""


class PairsConfig(BootstrapConfig):
    """A metric of pairs of images of one emotion."""

    pairs: int = Field(default=1000, ge=1)
    """Pairs drawn of each emotion; all of them where it has no more."""
    batch_size: int = Field(default=64, ge=1)


class LpipsConfig(PairsConfig):
    """Learned perceptual distance of two images of one emotion: by ``net`` with ``weights``, or by ``model``."""

    net: Literal["alex", "vgg", "squeeze"] = "alex"
    """The network that LPIPS was calibrated for. The figure is named after it: ``lpips`` (alex),
    ``lpips_vgg``, ``lpips_squeeze``."""
    weights: str | None = None
    """torchvision's file of ImageNet weights for ``net``, such as ``alexnet-owt-7be5be79.pth``."""
    model: str | None = None
    """An image classifier of transformers that gives feature maps (ResNet and the like), by alias, folder or
    hub id, whose layers count alike: LPIPS without calibration, named ``lpips_model``."""
    size: int = Field(default=512, ge=32)
    """Side in pixels at which images are compared."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.model is not None and self.weights is not None:
            raise ValueError("expected weights of net, or model, found both")
        return self


class SemanticClarityConfig(BootstrapConfig):
    """Sem-C: two classifiers, each a file of a torchvision ResNet's weights, or an image classifier of
    transformers by alias, folder or hub id."""

    scene: str | None = None
    """What knows scenes, such as ``resnet50_places365.pth.tar``; of a classifier with labels
    ``scene:NAME``, those alone count."""
    object: str | None = None
    """What knows objects, such as torchvision's ``resnet50-0676ba61.pth``; of a classifier with labels
    ``object:NAME``, those alone count."""
    batch_size: int = Field(default=64, ge=1)


class SemanticDiversityConfig(PairsConfig):
    """Sem-D: how far two images of one emotion are apart in the features of a CLIP."""

    model: str
    """The open_clip model, as the text encoder names it; published figures are of CLIP ViT-L/14
    (``ViT-L-14-quickgelu``, ``pretrained: openai``)."""
    pretrained: str | None = None
    """Weights of a named model."""


class NearestConfig(DiversityConfig):
    """How near generated images are to training images."""

    resamples: int = Field(default=1000, ge=100)


class EmotionScoreConfig(GenerationConfig):
    """The judge's mean probability of the emotion that was meant."""

    resamples: int = Field(default=1000, ge=100)


class DistributionsConfig(BootstrapConfig):
    """Readings beside distributions."""

    floor: float = Field(default=1e-6, gt=0, lt=0.01)
    """Smallest probability that the divergence takes for true: the logarithm of 0 has no end."""
