"""Parameters of encoders, judges and metrics; imports no torch."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from emosym.contracts import ComponentConfig


class TextEncoderConfig(ComponentConfig):
    """An open_clip model whose text tower gives the features."""

    model: str
    """A plugin's alias, a folder with open_clip's files, ``hf-hub:org/repo``, or a name of open_clip
    (ViT-L-14)."""
    pretrained: str | None = None
    """Weights of a named model (openai, laion2b_s32b_b82k) or a file; a folder or hub model brings its
    own."""
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


class CalibrationConfig(BootstrapConfig):
    """Expected calibration error."""

    bins: int = Field(default=15, ge=2)
    """Equal bins of confidence."""


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


class ClipScoreConfig(BootstrapConfig):
    """How well images and the text of their emotion agree."""

    model: str
    """The open_clip model that sees and reads, as the text encoder names it."""
    pretrained: str | None = None
    """Weights of a named model."""
    text: str = "a picture that evokes {emotion}"
    """What an image is compared with; ``{emotion}`` stands for the name of the emotion it was made for."""
    batch_size: int = Field(default=64, ge=1)

    @field_validator("text")
    @classmethod
    def _names_the_emotion(cls, text: str) -> str:
        if text.count("{emotion}") != 1:
            raise ValueError("expected {emotion} once, as in 'a picture that evokes {emotion}'")
        return text
