"""Parameters of datasets and knowledge; imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from pydantic import (
    ConfigDict,
    Field,
    JsonValue,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

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
    subset_seed: int | None = Field(default=0, ge=0)
    """Which images: another seed draws others. Independent of the run's seed; null follows it, so that a study over seeds is
    one over draws too."""

    def drawn_by(self, seed: int) -> int:
        """The seed of the draw in a run of this ``seed``."""
        return seed if self.subset_seed is None else self.subset_seed

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
    """One JSON object a line: {"id": …, "text": …} or {"image": …, "text": …}; "text": null where there is none."""


WHY = (
    "In one or two sentences, say what in this picture would move somebody who looks at it, and how: what is shown and "
    "where, light and colours, faces, what happens. Do not name an emotion."
)
"""What is asked of a picture, unless a spec says otherwise. Nothing of the sample but its picture is ever sent."""


class MadeConfig(KnowledgeConfig):
    """What knowledge shares that makes its texts."""

    file: Path | None = None
    """Where the texts are kept, as lines that `jsonl` reads. null: knowledge.jsonl in the run folder, in a study one that all
    of its runs share."""
    prompt: str = Field(default=WHY, min_length=1)
    """What is asked about each picture."""
    label_words: Literal["drop", "keep"] = "drop"
    """drop: sentences that name an emotion of the run are left out of what is said, so that no text gives away a label that
    the learner does not get. The file keeps all of it."""


class BackboneKnowledgeConfig(MadeConfig):
    """Text that the run's own backbone writes, as it is before training."""

    max_new_tokens: PositiveInt = 64
    """Tokens of the longest text; a sentence that is cut off there goes."""
    batch_size: PositiveInt = 16
    """Pictures that are described at once."""


class Prices(ComponentConfig):
    """What tokens cost, in whatever currency the budget is in."""

    input: float = Field(ge=0)
    """A million tokens of questions, pictures included."""
    output: float = Field(ge=0)
    """A million tokens of answers."""


OURS = ("messages", "model", "n", "stream", "max_tokens", "max_completion_tokens")
"""Parameters of a request that have a key of their own, or that would change the form of the answer."""


class OpenAIConfig(MadeConfig):
    """Text from any endpoint that speaks OpenAI's chat completions."""

    model_config = ConfigDict(hide_input_in_errors=True)

    model: str
    """The model's name at the endpoint."""
    base_url: str = "https://api.openai.com/v1"
    """The endpoint, such as http://localhost:8000/v1 for one's own server."""
    key: str | None = Field(default="OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)
    """The environment variable with the API key, which EMOSYM_SECRETS must allow; null for an endpoint without keys."""
    system: str | None = Field(default=None, min_length=1)
    """A system message before the question."""
    largest_side: PositiveInt = 512
    """Pixels of a picture's longer side, to which larger ones are scaled down before they are sent."""
    detail: Literal["auto", "low", "high"] | None = None
    """How closely the model looks, where the endpoint knows that parameter."""
    max_tokens: PositiveInt = 200
    """Tokens of the longest answer; a sentence that is cut off there goes."""
    max_tokens_as: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the endpoint calls that limit; OpenAI's reasoning models take the second alone."""
    parameters: dict[str, JsonValue] = Field(default={"temperature": 0})
    """Further parameters of every request: temperature, seed, reasoning_effort …"""
    concurrency: PositiveInt = 4
    """Requests under way at once."""
    requests_per_minute: PositiveFloat | None = None
    """The endpoint's limit; null: none."""
    tokens_per_minute: PositiveFloat | None = None
    """The endpoint's limit on tokens, in and out; null: none."""
    retries: int = Field(default=6, ge=0)
    """How often a request is repeated, after ever longer pauses or after as long as the endpoint asks for."""
    timeout: PositiveFloat = 60.0
    """Seconds to wait for an answer."""
    prices: Prices | None = None
    """What tokens cost; without them tokens alone are counted."""
    budget: PositiveFloat | None = None
    """The most that all texts of the file may cost together; nothing is asked that might go beyond it."""

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected an address such as https://HOST/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "expected an address alone; a key is named by `key` and stays in the environment"
            )
        return url.rstrip("/")

    @field_validator("parameters")
    @classmethod
    def _further_ones(cls, parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
        taken = sorted(set(OURS) & set(parameters))
        if taken:
            raise ValueError(
                f"expected further parameters of a request; {', '.join(taken)} cannot stand here"
            )
        return parameters

    @model_validator(mode="after")
    def _budget_has_prices(self) -> OpenAIConfig:
        if self.budget is not None and self.prices is None:
            raise ValueError("budget needs prices: {input: …, output: …}, for a million tokens")
        return self
