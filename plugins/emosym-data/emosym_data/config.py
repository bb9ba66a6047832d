"""Parameters of datasets and knowledge; imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from pydantic import Field, PositiveInt, model_validator

from emosym.contracts import ComponentConfig

Split = Literal["train", "val", "test"]


class SubsetConfig(ComponentConfig):
    """Fewer images, or fewer labels, drawn class by class and always the same."""

    limit: PositiveInt | dict[Split, PositiveInt] | None = None
    """At most this many images a split (or one number for each split)."""
    label_fraction: float | None = Field(default=None, gt=0, le=1)
    """Share of the training images that keep their label; the others are unlabelled."""
    labelled: PositiveInt | None = None
    """How many training images keep their label; the others are unlabelled."""
    subset_seed: int = Field(default=0, ge=0)
    """Which images: another seed draws others. Independent of the run's seed."""

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> SubsetConfig:
        if self.label_fraction is not None and self.labelled is not None:
            raise ValueError("give labelled or label_fraction, not both")
        return self

    def limit_of(self, split: str) -> int | None:
        """The most images of ``split``."""
        return self.limit.get(cast("Split", split)) if isinstance(self.limit, dict) else self.limit


class ReaderConfig(SubsetConfig):
    """What readers of folders share."""

    verify: bool = False
    """Also decode every picture when checking the data, not its header alone, and compare splits (minutes on a large set)."""
    on_bad_image: Literal["stop", "skip"] = "stop"
    """What a picture that cannot be read does to a run: stop it before it begins, or be left out, which the run's
    provenance lists."""


class EmoSetConfig(ReaderConfig):
    """A folder in the layout of EmoSet-118K."""

    root: Path
    """The folder with info.json, train.json, val.json, test.json, image/ and annotation/."""
    annotations: Literal["lazy", "eager", "none"] = "lazy"
    """When annotation files are read: each when it is asked for, all at once, or never."""


class ImageFolderConfig(ReaderConfig):
    """A folder of pictures by emotion, as FI is laid out."""

    root: Path
    """ROOT/EMOTION/*.jpg, or ROOT/{train,val,test}/EMOTION/*.jpg."""
    fractions: tuple[float, float, float] = (0.8, 0.05, 0.15)
    """Shares of train, val and test where the folder has no splits of its own (FI's usual ones)."""
    split_seed: int = Field(default=0, ge=0)
    """Which pictures go where. Independent of the run's seed."""

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> ImageFolderConfig:
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(f"fractions are three shares that sum to 1, got {list(self.fractions)}")
        return self


class IndexConfig(ReaderConfig):
    """A JSON-lines file that lists pictures, as `emosym data check --index` writes it."""

    path: Path
    """One JSON object a line: {"split": "train", "label": …, "image": …}, and "id" and "attributes" where there are some."""
    root: Path | None = None
    """The folder that relative image paths start from; the file's own by default."""


class HfConfig(SubsetConfig):
    """A dataset of the datasets library, from the hub or from a folder."""

    path: str
    """A hub id, a folder that save_to_disk wrote, or a folder that load_dataset understands."""
    subset: str | None = None
    """The dataset's own configuration name."""
    revision: str | None = None
    """A commit or tag of the hub repository."""
    image: str = "image"
    """Column with the pictures."""
    label: str = "label"
    """Column with the emotion: a name, or a number with names in the features or in ``names``."""
    names: list[str] | None = None
    """Emotions by number, where the dataset does not say."""
    id: str | None = None
    """Column with a unique id; by default split and row number."""
    columns: list[str] = Field(default_factory=list)
    """Columns that become attributes (scene, object, reasoning …)."""
    splits: dict[Split, str | None] = Field(default={"train": "train", "val": "validation", "test": "test"})
    """What train, val and test are called; null for val takes ``val_fraction`` out of train."""
    val_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of train that becomes val where ``splits.val`` is null; by class, by ``subset_seed``."""

    @model_validator(mode="after")
    def _train_and_test_have_names(self) -> HfConfig:
        missing = [split for split in ("train", "val", "test") if split not in self.splits]
        unnamed = [split for split in ("train", "test") if self.splits.get(split) is None]
        if missing or unnamed:
            raise ValueError(
                f"splits must name {', '.join(sorted({*missing, *unnamed}))}; only val may be null"
            )
        return self


class KnowledgeConfig(ComponentConfig):
    """What all knowledge shares."""

    shuffle: bool = False
    """The control: every image gets the text of another one."""
    shuffle_seed: int = Field(default=0, ge=0)
    """Which other one."""


class AnnotationsConfig(KnowledgeConfig):
    """Text from the dataset's own annotations."""

    field: str | None = None
    """Take the text of this annotation (reasoning, caption …) instead of the template."""
    template: str = (
        "a picture[ of {object}][ in a {scene}][, {brightness}][, {colorfulness}]"
        "[, {facial_expression}][, {human_action}]"
    )
    """What to say of an image. {name} is an annotation; a part in [brackets] goes where it is missing."""


class JsonlConfig(KnowledgeConfig):
    """Text from a file of its own."""

    path: Path
    """One JSON object a line: {"id": …, "text": …} or {"image": …, "text": …}."""
