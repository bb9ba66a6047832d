"""The values that travel between components: small frozen dataclasses. B images, K context tokens, D hidden width
of the backbone, C emotions, G rollouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emosym_registry import EmosymError
from PIL import Image, UnidentifiedImageError

from emosym.contracts.labels import LabelSet

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ImageSource = Path | bytes | Image.Image


def open_image(source: ImageSource) -> Image.Image:
    """The picture as RGB, turned as its EXIF says. An unreadable one is an :class:`EmosymError` naming it."""
    from PIL import ImageOps

    if isinstance(source, Image.Image):
        return source.convert("RGB")
    name = "the given bytes" if isinstance(source, bytes) else str(source)
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError as error:
        raise EmosymError("data.missing-image", f"{name}: no such file", hint="check the path") from error
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise EmosymError(
            "data.bad-image",
            f"{name}: not a readable image ({error})",
            hint="open it in a viewer, save it again as JPEG or PNG",
        ) from error


@dataclass(frozen=True)
class Sample:
    """One image (or several that are read together) and what is known of it.

    ``id`` is unique in its dataset and stable between runs. ``label`` is an index into the run's label set, None where
    unlabelled. ``attributes`` holds annotations such as ``scene`` (str), ``object`` (list of str), ``brightness`` and
    ``colorfulness`` (0 to 1), and texts such as ``reasoning``. ``generated`` marks images of the memory bank.
    """

    id: str
    images: tuple[ImageSource, ...]
    label: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    generated: bool = False

    def open(self) -> list[Image.Image]:
        """The pictures as RGB; a broken file is an error that names the sample."""
        try:
            return [open_image(source) for source in self.images]
        except EmosymError as error:
            raise EmosymError(error.id, f"sample {self.id}: {error.message}", hint=error.hint) from error


@dataclass(frozen=True)
class Context:
    """What a component is told when it is built, beside its own config.

    The sizes are filled in the order of assembly: ``hidden_size`` (D) and ``text_width`` (W) are there for compressor,
    fusion, emotion space; ``context_tokens`` (K, the compressor's) and ``token_widths`` (one per text encoder of the
    diffusion head) for the fusion; ``text_width`` is 0 where the run has no knowledge. ``model_path``
    turns ``model: NAME`` into a folder when NAME is an alias that a plugin offers for this very component, and returns
    NAME unchanged otherwise (a hub id or a folder). ``run`` is the run folder, None outside a run.
    """

    labels: LabelSet
    seed: int = 0
    device: torch.device | None = None
    dtype: torch.dtype | None = None
    run: Path | None = None
    hidden_size: int = 0
    text_width: int = 0
    context_tokens: int = 0
    token_widths: tuple[int, ...] = ()
    kind: str = ""
    component: str = ""
    aliases: Mapping[tuple[str, str, str], Path] = field(default_factory=dict)
    trust_remote_code: bool = False

    def model_path(self, model: str) -> str:
        """A folder for an alias of this component, or ``model`` itself."""
        return str(self.aliases.get((self.kind, self.component, model), model))


@dataclass(frozen=True)
class States:
    """Hidden states at the reasoning tokens: ``context`` [B,K,D] and ``emotion`` [B,D]."""

    context: Tensor
    emotion: Tensor

    @classmethod
    def split(cls, states: Tensor) -> States:
        """From the states [B,K+1,D] of [CTX]×K [EMO]."""
        return cls(states[:, :-1], states[:, -1])

    def joined(self) -> Tensor:
        """[B,K+1,D], context first."""
        import torch

        return torch.cat([self.context, self.emotion[:, None]], 1)

    def detach(self) -> States:
        return States(self.context.detach(), self.emotion.detach())

    def __getitem__(self, index: Any) -> States:
        return States(self.context[index], self.emotion[index])

    def __len__(self) -> int:
        return int(self.emotion.shape[0])

    @staticmethod
    def cat(parts: Sequence[States]) -> States:
        """Joined along B."""
        import torch

        return States(torch.cat([p.context for p in parts]), torch.cat([p.emotion for p in parts]))


@dataclass(frozen=True)
class LossTerms:
    """A scalar ``loss`` to minimise and the named scalars to log beside it."""

    loss: Tensor
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Rollouts:
    """What a reward judges: G tries for each of B samples.

    ``actions`` [B,G] sampled labels; ``probabilities`` [B,G,C] of each try's reading (detached); ``states`` with
    context [B,G,K,D] and emotion [B,G,D]; ``context_features`` [B,G,W] the context projected to the text encoder's
    space, None where the compressor has no projection; ``samples`` the B samples.
    """

    samples: Sequence[Sample]
    labels: Tensor
    actions: Tensor
    probabilities: Tensor
    states: States
    context_features: Tensor | None = None


@dataclass(frozen=True)
class Reading:
    """What the system says of one image: the ``emotion``, the probability of every emotion, and of a positive one."""

    id: str
    emotion: str
    probabilities: Mapping[str, float]
    positive: float


@dataclass(frozen=True)
class Generated:
    """An image the system made for ``label``, and how: all that is needed to make the same bytes again."""

    image: Image.Image
    label: int
    seed: int
    prompt: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A generated image offered to the bank. ``scores`` are named probabilities of the wanted label in [0,1] (from the
    model as ``model`` and, where the run has one, from an independent judge as ``judge``); ``features`` (any length)
    are for diversity; ``generator`` is a hash of the weights that made it."""

    generated: Generated
    scores: Mapping[str, float]
    features: Sequence[float] = ()
    generator: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refresh:
    """What one refresh of the bank did: ids admitted, ids of originals masked, and refusals with their reasons."""

    step: int
    admitted: Sequence[str]
    replaced: Sequence[str]
    refused: Sequence[tuple[str, str]]
    size: int
    fraction: float


@dataclass(frozen=True)
class LedgerEntry:
    """One line of the bank's history; ``detail`` holds scores, seed, prompt and generator hash."""

    number: int
    step: int
    action: str
    image: str
    label: int
    reason: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What metrics are computed from.

    ``probabilities`` [N,C] and ``labels`` [N] of the held-out images; ``real`` and ``generated`` are images with their
    labels (M of each, the same number a class), ``judge`` the evaluation judge; None or empty where a run has none.
    """

    names: tuple[str, ...]
    probabilities: Any
    labels: Any
    real: Sequence[Image.Image] = ()
    real_labels: Sequence[int] = ()
    generated: Sequence[Image.Image] = ()
    generated_labels: Sequence[int] = ()
    judge: Any = None
    seed: int = 0
