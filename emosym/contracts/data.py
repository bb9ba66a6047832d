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
    """The emotions of the run; every label is an index into its ``names``."""
    seed: int = 0
    """What weights and everything random in the component start from, never the global generators."""
    device: torch.device | None = None
    """Where the run computes; the core moves a module there once it is built. None stands for the CPU."""
    dtype: torch.dtype | None = None
    """Of frozen weights, where the component's own parameters do not say otherwise; what trains is float32."""
    run: Path | None = None
    """The run folder, for files that belong to the run."""
    hidden_size: int = 0
    """D, the width of the backbone's states. 0 for the backbone itself."""
    text_width: int = 0
    """W, the width of the text encoder's features."""
    context_tokens: int = 0
    """K, how many [CTX] tokens the compressor has."""
    token_widths: tuple[int, ...] = ()
    """The width of the vectors that each text encoder of the diffusion head takes, in the order of
    ``DiffusionHead.token_widths``: a fusion makes one tensor for each. Empty where nothing is painted."""
    kind: str = ""
    """The kind that the component is built as."""
    component: str = ""
    """Its name, as it is registered, without the plugin's id."""
    aliases: Mapping[tuple[str, str, str], Path] = field(default_factory=dict)
    """Folders of named weights by (kind, component, name); use :meth:`model_path`."""
    trust_remote_code: bool = False
    """Whether the user allowed a model to bring its own Python code (``--trust-remote-code``)."""

    def model_path(self, model: str) -> str:
        """A folder for an alias of this component, or ``model`` itself."""
        return str(self.aliases.get((self.kind, self.component, model), model))


@dataclass(frozen=True)
class States:
    """Hidden states at the reasoning tokens: ``context`` [B,K,D] and ``emotion`` [B,D].

    Those of rollouts have one more axis, [B,G,K,D] and [B,G,D].
    """

    context: Tensor
    """At [CTX]×K, in their order."""
    emotion: Tensor
    """At [EMO], which stands after them and has seen them."""

    @classmethod
    def split(cls, states: Tensor) -> States:
        """From the states [B,K+1,D] of [CTX]×K [EMO]."""
        return cls(states[:, :-1], states[:, -1])

    def joined(self) -> Tensor:
        """[B,K+1,D], context first."""
        import torch

        return torch.cat([self.context, self.emotion[:, None]], 1)

    def detach(self) -> States:
        """The same values without gradient."""
        return States(self.context.detach(), self.emotion.detach())

    def __getitem__(self, index: Any) -> States:
        """Some of the B images."""
        return States(self.context[index], self.emotion[index])

    def __len__(self) -> int:
        """B."""
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
    space, None where the compressor has no projection; ``samples`` the B samples; ``labels`` [B] their annotated
    emotions, -1 where unlabelled. Tensors are on the run's device.
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
    """What one refresh of the bank did."""

    step: int
    """The optimiser step of the unify stage."""
    admitted: Sequence[str]
    """Ids of the images that were taken in."""
    replaced: Sequence[str]
    """Ids of the originals that were masked for them."""
    refused: Sequence[tuple[str, str]]
    """A candidate and the reason, for each that was not taken in."""
    size: int
    """How many generated images the bank shows now."""
    fraction: float
    """Their share of the labelled originals, at most α."""


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

    A metric of the group ``understanding`` is given readings and no pictures, one of ``generation`` pictures and no
    readings; what is not there is None or empty.
    """

    names: tuple[str, ...]
    """The C emotions, in the order of the columns of ``probabilities``."""
    probabilities: Any
    """A float64 numpy array [N,C] of the held-out images with a label, rows sum to one; None for generation."""
    labels: Any
    """An integer numpy array [N], their annotated emotions; None for generation."""
    real: Sequence[Image.Image] = ()
    """Held-out pictures in RGB, at most ``evaluation.per_class`` of each emotion."""
    real_labels: Sequence[int] = ()
    """Their annotated emotions, as many as pictures."""
    generated: Sequence[Image.Image] = ()
    """Pictures that the system made, ``evaluation.per_class`` of each emotion."""
    generated_labels: Sequence[int] = ()
    """The emotions that they were made for."""
    judge: Any = None
    """The evaluation judge (:class:`Judge`, ``judges.evaluate``); None where the spec has none."""
    seed: int = 0
    """The run's seed, for what a metric draws (a bootstrap)."""
