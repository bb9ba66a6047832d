"""The smaller kinds: dataset, knowledge, text encoder, judge, reinforcer, fusion, emotion space, metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from PIL import Image
from torch import Tensor, nn

from emosym.contracts.data import Context, Evidence, LossTerms, Rollouts, Sample, States
from emosym.contracts.diffusion import Vectors
from emosym.contracts.labels import LabelSet

SPLITS = ("train", "val", "test")


class Dataset(ABC):
    """Labelled images in three splits."""

    config: Any
    context: Context

    @abstractmethod
    def split(self, name: str) -> Sequence[Sample]:
        """Samples of ``train``, ``val`` or ``test``, in a stable order, labels in the run's label set."""

    @abstractmethod
    def problems(self) -> list[str]:
        """Everything wrong with the files (``file: what; what to do``), empty when they are sound. Never raises."""

    def facts(self) -> Mapping[str, Any]:
        """What is known of the data as a whole, such as ``bayes_accuracy``, ``licence`` and ``sha256``; kept in the run's
        summary. ``bayes_accuracy`` is shown beside the accuracy as the best that can be reached."""
        return {}


class Knowledge(ABC):
    """Reasoning text about images."""

    config: Any
    context: Context

    @abstractmethod
    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        """One text a sample, None where there is none; the same each time. Asked for all training images
        before the stage compress."""


class Frozen(nn.Module):
    """A module that stays in eval mode, whatever mode it is put in: nothing in it drops out or keeps statistics."""

    def train(self, mode: bool = True) -> Self:
        return super().train(False)


class TextEncoder(Frozen, ABC):
    """Frozen text features. Long text is split and averaged or refused, never cut silently."""

    config: Any
    context: Context

    @property
    @abstractmethod
    def width(self) -> int:
        """W, the width of its features."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Unit-norm features [B,W], float32, no gradient."""


class Judge(Frozen, ABC):
    """An emotion classifier that is independent of the system. ``identity`` names its weights: two judges with the
    same identity are the same judge, whatever the spec calls them."""

    config: Any
    context: Context

    @property
    @abstractmethod
    def identity(self) -> str:
        """Hash of the weights, stable between processes."""

    @abstractmethod
    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        """[B,C] in the order of the run's labels, rows sum to one, no gradient."""

    @abstractmethod
    def features(self, images: Sequence[Image.Image]) -> Tensor:
        """[B,F] for diversity and retrieval, no gradient."""

    def attributes(self, images: Sequence[Image.Image]) -> list[Mapping[str, str]]:
        """What else the judge reads (``{"scene": …, "object": …}``), empty where it reads nothing else."""
        return [{} for _ in images]


@dataclass(frozen=True)
class Policy:
    """What a reinforcer may do with the system, for one batch of B samples.

    ``mean`` [K,D] are the [CTX] tokens (with gradient); ``read(context [B,G,K,D])`` appends [EMO], reads every try and
    gives (states with context [B,G,K,D], emotion [B,G,D]; logits [B,G,C]), differentiable; ``score(rollouts)`` gives
    the weighted reward [B,G] and each reward's own [B,G] by name; ``project(states)`` gives the context features
    [B,G,W] of tries, or None; ``reference`` [B,C] are log-probabilities of the frozen stage-1 model; ``labels`` [B],
    -1 where unlabelled; ``generator`` is a CPU generator.
    """

    samples: Sequence[Sample]
    labels: Tensor
    mean: Tensor
    read: Callable[[Tensor], tuple[States, Tensor]]
    score: Callable[[Rollouts], tuple[Tensor, Mapping[str, Tensor]]]
    project: Callable[[States], Tensor | None]
    reference: Tensor
    generator: torch.Generator


class Reinforcer(ABC):
    """A policy-gradient algorithm."""

    config: Any
    context: Context

    @abstractmethod
    def loss(self, policy: Policy) -> LossTerms:
        """One update's loss, with gradients to ``policy.mean``; values log per reward: mean, std, share
        of groups whose reward has no spread. Called once a step of the stage reinforce."""


class Fusion(nn.Module, ABC):
    """Turns states into vectors for the diffusion prompt: D → one tensor a text encoder."""

    config: Any
    context: Context

    @property
    @abstractmethod
    def vectors(self) -> int:
        """n, how many vectors take the place of the placeholder in a prompt."""

    @abstractmethod
    def calibrate(self, norms: Sequence[float], states: States) -> None:
        """Learn scales from ``norms``, the diffusion head's ``token_norms`` (one a text encoder), and ``states`` of N images.

        The stage unify calls it once, before its first step, with the states of up to 1024 training images as the
        backbone gives them; a run that goes on from a checkpoint, and a saved system, load the scales instead: keep
        them in buffers.
        """

    @abstractmethod
    def forward(self, states: States) -> Vectors:
        """u: for each text encoder i one tensor [B,n,w_i], w_i of ``context.token_widths``, with gradients to ``states``."""


class EmotionSpace(nn.Module, ABC):
    """Per-class statistics of [c;e] from which states are drawn when there is no image."""

    config: Any
    context: Context

    @abstractmethod
    def fit(self, states: States, labels: Tensor) -> None:
        """Replace the statistics: states of N samples, ``labels`` [N]. A class without samples is an error.

        The stage unify calls it with all labelled training images before each refresh of the bank, and at its end. The
        statistics are buffers, so that a saved system has them.
        """

    @abstractmethod
    def sample(self, mixture: Tensor, generator: torch.Generator) -> States:
        """States of B images; ``mixture`` [B,C] are class weights that sum to one (one-hot for a pure emotion)."""


class Metric(ABC):
    """One or more figures computed from :class:`Evidence`.

    A figure NAME may have an interval: the figures ``NAME_low`` and ``NAME_high`` are its 95 % bounds, which tables and
    the report show around it.
    """

    config: Any
    context: Context
    needs: ClassVar[tuple[str, ...]] = ()
    """The fields of the evidence that it reads, of these: ``probabilities`` (with ``labels``), ``generated`` and ``real``
    (with their labels) and ``judge``. ``understanding`` has the first alone, ``generation`` the other three. A run that
    lacks one is refused."""
    group: ClassVar[str] = "understanding"
    """``understanding`` (readings of held-out images) or ``generation`` (pictures): what it is computed from, and where
    ``summary.json`` shows it."""

    @abstractmethod
    def compute(self, evidence: Evidence) -> Mapping[str, float]:
        """Named figures, each a finite number; the names are the same for every evidence, and no other metric's."""


def require_labels(labels: LabelSet, expected: Sequence[str], who: str) -> None:
    """Refuse a label set that a component does not fit."""
    from emosym_registry import EmosymError

    if set(labels.names) != set(expected):
        raise EmosymError(
            "spec.labels-do-not-fit",
            f"{who} knows {', '.join(expected)}; the spec's labels are {', '.join(labels.names)}",
            hint=f"choose labels that fit or leave {who} out",
        )
