"""What each stage of a spec computes, counted and not run.

Backbone and diffusion head count themselves on the meta device (:class:`emosym.contracts.Operations`), one picture at a time;
head, compressor and fusion are run as they are. How often each of them runs is in the stages: ``emosym/stages``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emosym_registry import EmosymError, Registry

from emosym.contracts import Dataset, Operations, Workload, picture_size
from emosym.cost.cards import peak
from emosym.cost.ledger import Ledger, Part, Shelf
from emosym.cost.own import Own
from emosym.spec import Resolved
from emosym.spec.model import STAGES, CompressStage, Refreshing, ReinforceStage, StageSettings, UnifyStage
from emosym.training.stage import optimiser_steps
from emosym.vram import Sizing

VALIDATION = 16
"""Training pictures to one of validation where the data are not looked at, as EmoSet is split."""
CALIBRATION = 1024
"""Pictures that unify reads before its first step."""
LOOKED_AT = 32
ASSUMPTIONS = (
    "every picture as large as the one of median size among some of the data, or 1024×1024 pixels where the data are not "
    "looked at; prompts of one length; 48 tokens of text where the model's tokenizer is not at hand",
    "attention counted whole, though a causal kernel may leave half of it out; elementwise work is not counted",
    "the peak is that of dense bf16 matrix products; fp32 takes several times as long, and a small model reaches no such share",
    "pictures that are kept on disk are computed once, for all stages; a budget that is too small keeps the same share of each "
    "kind, and none is filled yet",
    "not counted: texts and their encoder, judges, pictures of the bank that have joined the training set, the evaluation and "
    "its metrics, reading files and waiting",
)


@dataclass(frozen=True)
class Pictures:
    """How many pictures there are, and of what ``size`` (width, height)."""

    train: int
    labelled: int
    val: int
    size: tuple[int, int] = (1024, 1024)

    @classmethod
    def some(cls, train: int) -> Pictures:
        """So many training pictures, all labelled, and a sixteenth of that for validation."""
        return cls(train, train, max(1, train // VALIDATION))

    @classmethod
    def of(cls, dataset: Dataset) -> Pictures:
        """Those of a dataset. Errors: ``cost.no-pictures`` where it is not sound."""
        problems = dataset.problems()
        if problems:
            raise EmosymError(
                "cost.no-pictures",
                f"the data cannot be counted: {problems[0]}",
                hint="mend them, or say how many training pictures there are: --pictures 94481",
            )
        train = dataset.split("train")
        chosen = train[:: max(1, len(train) // LOOKED_AT)]
        sizes = sorted(
            (picture_size(one.images[0]) for one in chosen if one.images), key=lambda x: x[0] * x[1]
        )
        return cls(
            len(train),
            sum(one.label is not None for one in train),
            len(dataset.split("val")),
            sizes[len(sizes) // 2] if sizes else (1024, 1024),
        )


@dataclass(frozen=True)
class Kept:
    """What the store of a ``kind`` would hold of all training pictures: ``each`` bytes of one, and the ``share`` of them that
    the budget has room for."""

    kind: str
    each: int
    pictures: int
    share: float

    @property
    def total(self) -> int:
        """Bytes of all."""
        return self.each * self.pictures


@dataclass(frozen=True)
class StageCost:
    """Operations of one stage: ``steps`` optimiser steps over ``pictures`` each, by part."""

    stage: str
    steps: int
    pictures: int
    parts: tuple[Part, ...]

    @property
    def forward(self) -> int:
        """Of one step."""
        return sum(part.forward for part in self.parts)

    @property
    def backward(self) -> int:
        """Of one step."""
        return sum(part.backward for part in self.parts)

    @property
    def total(self) -> int:
        """Of the whole stage."""
        return sum(part.total for part in self.parts)

    def hours(self, card: str, share: float) -> float:
        """On one card that reaches a share of its peak. Errors: ``cost.unknown-card``."""
        return self.total / (peak(card) * share) / 3600


@dataclass(frozen=True)
class Forecast:
    """Operations of a spec by stage, what it keeps on disk within ``budget`` bytes, and the models that nothing is known of."""

    precision: str
    pictures: Pictures
    stages: tuple[StageCost, ...]
    kept: tuple[Kept, ...]
    budget: int
    unknown: Mapping[str, str]


def forecast(resolved: Resolved, registry: Registry, pictures: Pictures | None = None) -> Forecast:
    """What every stage of a spec computes. Without ``pictures`` the data are looked at. Errors: ``cost.no-pictures``, and those
    of the data."""
    return _Forecasting(resolved, registry, pictures).forecast()


class _Forecasting:
    """One spec, with what its stages have in common."""

    def __init__(self, resolved: Resolved, registry: Registry, pictures: Pictures | None) -> None:
        self.sizing = Sizing(resolved, registry)
        self.resolved, self.spec = resolved, resolved.spec
        self.counted: dict[tuple[str, Workload], Mapping[str, Operations]] = {}
        self.pictures = Pictures.of(self.sizing.builder.build("data")) if pictures is None else pictures
        known = self.sizing.parts()
        self.sizing.trainable_sizes(known)
        self.unknown = self.sizing.unknown(known)
        # What writes its reasons has no head, no compressor and no fusion.
        latent = self.spec.reading == "latent" and "backbone" in known
        self.own = Own.of(self.sizing, known["backbone"].details["hidden_size"]) if latent else None
        self.reading = self.operations("backbone", Workload(1, tokens=self.sizing.tokens, gradients=False))

    def forecast(self) -> Forecast:
        budget = self.spec.compute.cache_megabytes * 2**20
        kept = self.kept(budget)
        shelves = {
            (one.kind, split): Shelf(count, one.share)
            for one in kept
            for split, count in (("train", self.pictures.train), ("val", self.pictures.val))
        }
        costs = []
        for name in STAGES:
            settings = getattr(self.spec.stages, name)
            if settings is not None:
                costs.append(self.stage(name, settings, Ledger(shelves)))
        return Forecast(self.sizing.precision, self.pictures, tuple(costs), kept, budget, self.unknown)

    def operations(self, name: str, load: Workload) -> Mapping[str, Operations]:
        """Of the component at ``name`` for one picture; empty where its model is not known."""
        if name not in self.resolved.offers:
            return {}
        component, config = self.resolved.offers[name], self.resolved.config(name)
        load = dataclasses.replace(self.sizing.mixed(load), image=self.pictures.size)
        if (name, load) not in self.counted:
            found = component.load().operations(config, self.sizing.builder.context_of(name), load)
            if found is None:
                self.unknown = {**self.unknown, name: str(getattr(config, "model", ""))}
            self.counted[name, load] = found or {}
        return self.counted[name, load]

    def kept(self, budget: int) -> tuple[Kept, ...]:
        """What stores would hold of the training pictures, one share for all."""
        made = [*self.reading.values()]
        if self.spec.stages.unify is not None:
            made += self.operations("diffusion", Workload(1)).values()
        each: dict[str, int] = {}
        for one in made:
            if one.kept:
                each[one.kept] = each.get(one.kept, 0) + one.kept_bytes
        asked = sum(each.values()) * self.pictures.train
        share = min(1.0, budget / asked) if asked else 1.0
        return tuple(Kept(kind, size, self.pictures.train, share) for kind, size in sorted(each.items()))

    def stage(self, name: str, settings: StageSettings, ledger: Ledger) -> StageCost:
        """One stage, in the order in which it goes about it."""
        there = self.pictures.train
        if isinstance(settings, UnifyStage) and not settings.unlabelled:
            there = self.pictures.labelled
        accumulation = self.spec.compute.gradient_accumulation
        steps, batch = optimiser_steps(settings, there, accumulation), min(settings.batch_size, there)
        pictures = batch * accumulation
        match settings:
            case CompressStage():
                self.compress(settings, ledger, steps, pictures, batch)
            case ReinforceStage():
                self.reinforce(settings, ledger, steps, pictures)
            case UnifyStage():
                self.unify(settings, ledger, steps, pictures)
        return StageCost(name, steps, pictures, tuple(ledger.parts.values()))

    def reads(
        self, settings: StageSettings, *, readings: int = 1, shared: bool = False
    ) -> Mapping[str, Operations]:
        """The backbone's part of a step, for one picture."""
        load = Workload(
            1,
            tokens=self.sizing.tokens,
            readings=(readings,),
            shared=shared,
            learns="adapters" in settings.train,
        )
        return self.operations("backbone", load)

    def compress(
        self, settings: CompressStage, ledger: Ledger, steps: int, pictures: int, batch: int
    ) -> None:
        """Readings of labels and texts."""
        ledger.steps(self.reads(settings), steps, pictures)
        if self.own is None:
            return
        ledger.steps({"head, compressor": self.own.compress(settings, batch)}, steps, pictures)
        for again, backward in zip(self.own.reread, (False, True), strict=True):
            if again:
                whole = self.operations(
                    "backbone", Workload(1, tokens=self.sizing.tokens, gradients=backward)
                )
                parts = {
                    f"{name}, with the text": dataclasses.replace(one, kept="") for name, one in whole.items()
                }
                ledger.steps(parts, steps, pictures * again // batch)

    def reinforce(self, settings: ReinforceStage, ledger: Ledger, steps: int, pictures: int) -> None:
        """The reference, rollouts, looks at validation pictures, and the temperature."""
        ledger.beside("reference", self.reading, min(steps * pictures, self.pictures.train))
        readings = self.sizing.tries()
        shared = self.sizing.shares_prefix("reinforce", settings)
        one_pass = self.reads(settings, readings=readings, shared=shared)
        vision = one_pass.get("vision")
        if "prompt and tokens" in one_pass and vision is not None:
            # Each try goes through the whole; what the tower makes of a picture is kept, or made for each.
            found = vision.kept and self.spec.compute.cache_megabytes
            forward = vision.forward * (1 if found else readings)
            vision = dataclasses.replace(vision, forward=forward, backward=vision.backward * readings)
            one_pass = {**one_pass, "vision": vision}
        ledger.steps(one_pass, steps, pictures)
        if self.own is not None:
            ledger.steps({"head": self.own.reinforce(settings, readings)}, steps, pictures)
        stop = settings.early_stop
        if stop is not None:
            looks = 1 + -(-steps // stop.every)
            ledger.beside("validation", self.reading, looks * min(stop.images, self.pictures.val), "val")
        if settings.calibrate:
            ledger.beside("validation", self.reading, self.pictures.val, "val")

    def unify(self, settings: UnifyStage, ledger: Ledger, steps: int, pictures: int) -> None:
        """Readings, denoising, and the bank's refreshes."""
        ledger.beside("emotion space", self.reading, min(CALIBRATION, self.pictures.train))
        ledger.steps(self.reads(settings), steps, pictures)
        if self.own is not None:
            ledger.steps(self.own.unify(settings), steps, pictures)
        load = Workload(1, learns="diffusion" in settings.train)
        ledger.steps(self.operations("diffusion", load), steps, pictures)
        labelled, emotions = self.pictures.labelled, len(self.sizing.builder.context.labels)
        fitted = min(labelled, (settings.fit_per_class or labelled) * emotions)
        if settings.refresh is not None and self.spec.memory is not None:
            refreshes = (steps - 1) // settings.refresh.every
            self.refresh(settings.refresh, ledger, refreshes, fitted, emotions)
        ledger.beside("emotion space", self.reading, fitted)

    def refresh(
        self, settings: Refreshing, ledger: Ledger, refreshes: int, fitted: int, emotions: int
    ) -> None:
        """As many refreshes of the bank: what is read of the data, and candidates that are sampled and read."""
        labelled, val = self.pictures.labelled, self.pictures.val
        if settings.tolerance is not None:
            ledger.beside("validation", self.reading, refreshes * min(settings.validation or val, val), "val")
        ledger.beside("emotion space", self.reading, refreshes * fitted)
        if settings.confidences == "all" and fitted < labelled:
            ledger.beside("bank: confidences", self.reading, refreshes * labelled)
        candidates = refreshes * settings.per_class * emotions
        if settings.context == "unlabelled":
            ledger.beside("bank: context", self.reading, candidates)
        load = Workload(
            1, gradients=False, steps=settings.sampling_steps, guidance_scale=settings.guidance_scale
        )
        ledger.beside("bank: sampling", self.operations("diffusion", load), candidates, "new")
        ledger.beside("bank: scoring", self.reading, candidates, "new")


def hours(stages: Sequence[StageCost], card: str, share: float) -> float:
    """Of all stages, one after the other."""
    return sum(stage.hours(card, share) for stage in stages)
