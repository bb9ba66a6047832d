"""What a stage of training is: which parameters learn, from which batches, by which loss."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from emosym.contracts import LossTerms, Sample
from emosym.parts import GROUPS
from emosym.spec.model import StageSettings
from emosym.system import System

SettingsT = TypeVar("SettingsT", bound=StageSettings)


def optimiser_steps(settings: StageSettings, samples: int, accumulation: int = 1) -> int:
    """Optimiser steps of a stage: ``steps`` where given, else ``epochs`` over the samples."""
    if settings.steps is not None:
        return settings.steps
    images = min(settings.batch_size, samples) * accumulation
    return max(1, math.ceil(settings.epochs * samples / images))


class Shuffle:
    """Batches of a fixed list without a stateful sampler: batch ``k`` is a function of (seed, k) alone."""

    def __init__(self, size: int, batch_size: int, seed: int) -> None:
        self.size, self.batch_size, self.seed = size, min(batch_size, size), seed
        self._epoch, self._order = -1, torch.empty(0)

    def __call__(self, k: int) -> list[int]:
        per_epoch = self.size // self.batch_size
        epoch, place = divmod(k, per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._epoch, self._order = epoch, torch.randperm(self.size, generator=generator)
        order: list[int] = self._order[place * self.batch_size : (place + 1) * self.batch_size].tolist()
        return order


class Deck:
    """An endless row of cards, shuffled anew each time that all are dealt: card ``n`` is a function of (seed, n) alone."""

    def __init__(self, cards: Sequence[int], seed: int) -> None:
        self.cards, self.shuffled = cards, Shuffle(len(cards), 1, seed)

    def __call__(self, number: int) -> int:
        return self.cards[self.shuffled(number)[0]]


class Mixture:
    """Batches of labelled and unlabelled samples by a set ``share`` of labelled ones; batch ``k`` is a function of (seed, k)
    alone.

    ``labels`` are those of all samples, None where one has none. Without a ``share``, or where all samples are of one sort,
    the share is the data's own. What is no whole number of a batch comes out over several. With ``by_class`` the classes
    of the labelled take turns.
    """

    def __init__(
        self,
        labels: Sequence[int | None],
        batch_size: int,
        seed: int,
        *,
        share: float | None = None,
        by_class: bool = False,
    ) -> None:
        self.batch_size = min(batch_size, len(labels))
        classes = sorted({label for label in labels if label is not None})
        others = [i for i, label in enumerate(labels) if label is None]
        self.share = Fraction(len(labels) - len(others), len(labels))
        if share is not None and classes and others:
            self.share = Fraction(share).limit_denominator(1_000_000)
        sorts = [{label} for label in classes] if by_class else [set(classes)]
        pools = [[i for i, label in enumerate(labels) if label in sort] for sort in sorts]
        self.labelled = [Deck(pool, seed * 1_000 + number) for number, pool in enumerate(pools, 1)]
        self.others = Deck(others, seed * 1_000)

    def __call__(self, k: int) -> list[int]:
        first, last = (int(self.share * self.batch_size * number) for number in (k, k + 1))
        turns = len(self.labelled)
        chosen = [self.labelled[number % turns](number // turns) for number in range(first, last)]
        dealt = k * self.batch_size - first
        return chosen + [self.others(dealt + i) for i in range(self.batch_size - len(chosen))]


def batches_of(samples: Sequence[Sample], settings: StageSettings, seed: int) -> Callable[[int], list[int]]:
    """Places in ``samples`` of batch ``k``, drawn as a stage's settings say."""
    if settings.labelled_share is None and not settings.by_class:
        return Shuffle(len(samples), settings.batch_size, seed)
    labels = [sample.label for sample in samples]
    share, by_class = settings.labelled_share, settings.by_class
    return Mixture(labels, settings.batch_size, seed, share=share, by_class=by_class)


class Stage(nn.Module, ABC, Generic[SettingsT]):
    """One stage of training over ``samples``.

    Everything random in a step comes from ``generator``, which depends on (seed, stage, step) alone, so a resumed run
    goes on exactly as an uninterrupted one. ``accumulation`` batches make one optimiser step.
    """

    name: ClassVar[str]

    def __init__(
        self, system: System, settings: SettingsT, samples: Sequence[Sample], seed: int, accumulation: int = 1
    ) -> None:
        super().__init__()
        self.system = system
        self.settings = settings
        self.parts = nn.ModuleDict(system.modules())
        self.samples = samples
        self.seed = seed
        self.accumulation = accumulation
        self.addends: dict[str, Tensor] = {}
        self.step = 0
        """Optimiser steps that are done."""
        self.batches = batches_of(samples, settings, seed)
        self.steps = optimiser_steps(settings, len(samples), accumulation)

    def batch(self, number: int, rank: int, world: int) -> Sequence[Sample]:
        """This process's samples of batch ``number``, of which ``accumulation`` make a step."""
        return [self.samples[i] for i in self.batches(number)][rank::world]

    def prepare(self, batch: Sequence[Sample]) -> None:
        """Called in a thread beside the step before: what of reading ``batch`` needs no weights."""
        if not self.system.explicit:
            self.system.backbone.prepare(batch)

    def to_be_drawn(self) -> list[Sample]:
        """The samples that the batches of this stage hold, in their order: where steps are few, not all."""
        chosen: set[int] = set()
        for number in range(self.steps * self.accumulation):
            chosen.update(self.batches(number))
            if len(chosen) == len(self.samples):
                break
        return [self.samples[i] for i in sorted(chosen)]

    def part_of_loss(self, name: str, value: Tensor) -> None:
        """Remember a part of the loss until the next step, by the component that gave it, for a message where it is NaN."""
        offer = self.system.resolved.offers.get(name)
        self.addends[offer.described if offer else name] = value.detach()

    @abstractmethod
    def forward(self, batch: Sequence[Sample], generator: torch.Generator) -> LossTerms:
        """The loss of a batch."""

    def begin(self) -> None:
        """Called where the stage begins at its first step and has no checkpoint, before :meth:`before`."""

    def before(self) -> None:
        """Prepare what needs the weights the stage starts from; also called when resuming, after they are loaded."""

    def after_step(self, step: int) -> Mapping[str, float]:
        """Called after optimiser step ``step`` (1-based); more values to log."""
        return {}

    def review(self, step: int, values: Mapping[str, float]) -> str:
        """Called after optimiser step ``step`` with all that is logged of it, the mean over processes: why the stage ends
        here, in every process alike; empty where it goes on."""
        return ""

    def finish(self) -> Mapping[str, Any]:
        """Called once after the last step, before the weights are saved; more facts of the stage."""
        return {}

    def extra_state(self) -> dict[str, Any]:
        """State beyond weights that a checkpoint must hold."""
        return {}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`extra_state`."""

    def kept(self) -> dict[str, Tensor]:
        """Tensors beyond the system's that a checkpoint must hold."""
        return {}

    def load_kept(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of :meth:`kept`; called after :meth:`load_extra_state`."""

    def groups(self) -> dict[str, dict[str, nn.Parameter]]:
        """Parameters that learn, by group and name. Everything else in the system is frozen."""
        chosen = {}
        for group in GROUPS:
            learns = group in self.settings.train
            parameters = self.system.group(group)
            for parameter in parameters.values():
                parameter.requires_grad_(learns)
            if learns and parameters:
                chosen[group] = parameters
        return chosen
