"""Stage 3, unify: fuse, generate, feed back.

    L = diffusion_weight · ‖denoise(x_t | fuse(c, e)) − target‖² + ce_weight · CE(head(e), y)

Every T steps the memory bank is refreshed: the emotion space is fitted with the current weights, images are generated
from it and scored, and the bank decides which of them join, in place of originals or beside them. What it admits is
trained on from the next step: that is the loop from generation back to understanding.

With ``unlabelled`` pictures without a label teach denoising too. The cross entropy, the emotion space and the bank's
confidences are of labelled pictures alone, always.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from emosym_registry import Lifecycle
from torch import Tensor

from emosym.assembly import ExperimentParts
from emosym.contracts import Candidate, LossTerms, MemoryBank, Sample, States
from emosym.head import cross_entropy, labels_of
from emosym.processes import from_first
from emosym.spec.model import Refreshing, UnifyStage
from emosym.system import System
from emosym.toolkit import drawn, picture_key
from emosym.training.stage import Stage, batches_of

CHUNK = 8
"""Pictures that are encoded to latents at a time."""


class Unify(Stage[UnifyStage]):
    """Trains fusion, tokens and head on denoising and labels, with the bank's images in the training set."""

    name = "unify"

    def __init__(
        self,
        system: System,
        settings: UnifyStage,
        parts: ExperimentParts,
        samples: Sequence[Sample],
        validation: Sequence[Sample],
        seed: int,
        lifecycle: Lifecycle,
        run: Path,
        accumulation: int = 1,
    ) -> None:
        self.originals = originals_of(samples, settings)
        self.labelled = [sample for sample in samples if sample.label is not None]
        self.unlabelled = [sample for sample in samples if sample.label is None]
        self.fitted = some_of_each(self.labelled, settings.fit_per_class, seed)
        super().__init__(system, settings, self.originals, seed, accumulation)
        self.generation = system.require_generation()
        self.memory = parts.memory
        """The bank, in the first process."""
        self.banked = from_first(lambda: parts.memory is not None)
        self.judge = parts.judges.get("bank")
        refresh = settings.refresh
        self.validation = some_of(validation, None if refresh is None else refresh.validation, seed)
        self.lifecycle = lifecycle
        self.run = run
        self.latents = self.generation.latents_store()
        self.accuracy: float | None = None
        self.seen: dict[str, float] = {}
        """The probability of its label that the model gave to each labelled original that a batch of this process held."""
        self.calibrated = False
        self.gradient_norm = 0.0
        self.use_view(0)

    # ---- the training set: originals and what the bank put in their place

    def use_view(self, step: int) -> None:
        """Draw batches from the bank's current training set, from ``step`` on."""
        self.samples = from_first(self.view) if self.banked else self.originals
        self.since = step
        self.batches = batches_of(self.samples, self.settings, self.seed + 2 + step)

    def view(self) -> Sequence[Sample]:
        """The bank's training set, or the originals where this process has no bank."""
        return self.memory.view(self.originals) if self.memory is not None else self.originals

    def batch(self, number: int, rank: int, world: int) -> Sequence[Sample]:
        return super().batch(number - self.since * self.accumulation, rank, world)

    def begin(self) -> None:
        """What an earlier attempt at this stage has put into the bank is not there yet."""
        if self.memory is not None:
            self.memory.reset()
        if self.banked:
            self.use_view(0)

    def before(self) -> None:
        """Scale the fusion to the vocabulary and to the states it will see; done once, before the first step."""
        if self.calibrated:
            return
        states, _ = self.system.read(self.originals[:1024], batch_size=64)
        self.generation.fusion.calibrate(self.generation.diffusion.token_norms, states)
        self.calibrated = True

    def extra_state(self) -> dict[str, Any]:
        bank = self.memory.snapshot() if self.memory is not None else None
        now = {
            "since": self.since,
            "accuracy": self.accuracy,
            "calibrated": self.calibrated,
            "seen": self.seen,
        }
        return {**now, "bank": bank}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.accuracy, self.calibrated = state["accuracy"], state["calibrated"]
        self.seen = dict(state["seen"])
        if self.memory is not None:
            self.memory.restore(state["bank"])
        self.use_view(int(state["since"]))

    # ---- one step

    def forward(self, batch: Sequence[Sample], generator: torch.Generator) -> LossTerms:
        states = self.system.states(batch)
        logits = self.system.logits(states)
        ce, accuracy = cross_entropy(logits, batch)
        self.part_of_loss("the cross entropy", ce)
        self.note_confidences(batch, logits)
        seen = self.scaled(states)
        kinds = len(self.settings.prompts)
        pick = drawn(
            lambda n: torch.randint(kinds, (n,), generator=generator), len(batch), generator
        ).tolist()
        prompts = [self.settings.prompts[i] for i in pick]
        diffusion = self.generation.diffusion
        condition = diffusion.condition(self.generation.fuse(seen), prompts)
        denoising = diffusion.loss(self.latents_of(batch), condition, generator).mean()
        self.part_of_loss("diffusion", denoising)
        loss = self.settings.diffusion_weight * denoising + self.settings.ce_weight * ce
        values = {"ce": float(ce.detach()), "accuracy": accuracy, "denoising": float(denoising.detach())}
        if self.settings.unlabelled:
            values["labelled_share"] = sum(sample.label is not None for sample in batch) / len(batch)
        values["generated_share"] = sum(sample.generated for sample in batch) / len(batch)
        return LossTerms(loss, values)

    def note_confidences(self, batch: Sequence[Sample], logits: Tensor) -> None:
        """Remember how sure the model is of the labels in a batch, for the bank."""
        refresh = self.settings.refresh
        if refresh is None or refresh.confidences == "all":
            return
        for sample, row in zip(batch, logits.detach().float().softmax(-1).cpu().tolist(), strict=True):
            if sample.label is not None and not sample.generated:
                self.seen[sample.id] = row[sample.label]

    def scaled(self, states: States) -> States:
        """The same states, with the gradient of the diffusion loss scaled and its norm noted."""
        factor = self.settings.token_gradient

        def scale(x: Tensor) -> Tensor:
            return x * factor + x.detach() * (1 - factor)

        if factor == 0:
            return states.detach()
        emotion = scale(states.emotion)
        if emotion.requires_grad:
            emotion.register_hook(self.note_gradient)
        return States(scale(states.context), emotion)

    def note_gradient(self, gradient: Tensor) -> None:
        self.gradient_norm = float(gradient.float().norm())

    def latents_of(self, batch: Sequence[Sample]) -> Tensor:
        """VAE latents [B,…] of the target pictures, each computed once where they are kept."""

        def encode(places: list[int]) -> list[dict[str, Tensor]]:
            # A convolution rounds by the size of its batch, and a resumed run has other pictures left to encode: filled
            # up to whole chunks, a picture's latents are the same bits whatever is encoded beside it.
            filled = [*places, *[places[-1]] * (-len(places) % CHUNK)]
            made: list[Tensor] = []
            for start in range(0, len(filled), CHUNK):
                pixels = self.generation.pixels([batch[i] for i in filled[start : start + CHUNK]])
                made += self.generation.diffusion.latents(pixels).float().cpu()
            return [{"latents": one} for one in made[: len(places)]]

        keys = [picture_key(sample.target_source) for sample in batch]
        found = self.latents.recall(keys, encode)
        return torch.stack([one["latents"] for one in found]).to(self.system.device)

    # ---- feeding back

    def after_step(self, step: int) -> Mapping[str, float]:
        refresh = self.settings.refresh
        values = {"diffusion_gradient_norm": self.gradient_norm}
        if refresh is None or not self.banked or step % refresh.every or step >= self.steps:
            return values
        done = from_first(lambda: self.refresh(step, refresh, self.memory))
        self.use_view(step)
        return values | done

    def finish(self) -> Mapping[str, Any]:
        """Fit the emotion space with the final weights."""
        self.fit_space()
        return {}

    def fit_space(self) -> Tensor:
        """Fit the emotion space to labelled originals as the current weights see them; their probabilities [N,C]."""
        states, probabilities = self.system.read(self.fitted, batch_size=64)
        space = self.generation.emotion_space
        space.fit(states, labels_of(self.fitted, states.emotion.device))
        space.to(self.system.device)
        return probabilities

    def confidences(self, settings: Refreshing, probabilities: Tensor) -> Mapping[str, float]:
        """The probability of its label of each labelled original that is read anew, or was seen. ``probabilities`` are those
        of the ones that the space was fitted to."""
        if settings.confidences == "seen":
            return self.seen
        if len(self.fitted) < len(self.labelled):
            _, probabilities = self.system.read(self.labelled, batch_size=64)
        labels = labels_of(self.labelled, probabilities.device)
        own = probabilities.gather(1, labels[:, None])[:, 0].tolist()
        return {sample.id: value for sample, value in zip(self.labelled, own, strict=True)}

    def refresh(self, step: int, settings: Refreshing, memory: MemoryBank | None) -> dict[str, float]:
        """Offer newly generated images to the bank, after undoing the last refresh if it did harm; the first process's."""
        assert memory is not None
        values = {} if settings.tolerance is None else self.judge_last_refresh(settings.tolerance, memory)
        probabilities = self.fit_space()
        candidates = self.candidates(step, settings)
        done = memory.refresh(step, candidates, self.confidences(settings, probabilities))
        self.lifecycle.bank_refreshed(run=self.run, step=step, refresh=done)
        return {
            **values,
            "bank/admitted": len(done.admitted),
            "bank/refused": len(done.refused),
            "bank/fraction": done.fraction,
        }

    def judge_last_refresh(self, tolerance: float, memory: MemoryBank) -> dict[str, float]:
        """Roll the last refresh back when validation accuracy fell by more than ``tolerance`` since it."""
        _, probabilities = self.system.read(self.validation, batch_size=64)
        labels = labels_of(self.validation, probabilities.device)
        accuracy = float((probabilities.argmax(-1) == labels).float().mean())
        before, self.accuracy = self.accuracy, accuracy
        if before is not None and before - accuracy > tolerance:
            memory.rollback(f"validation accuracy fell from {before:.4f} to {accuracy:.4f}")
            self.accuracy = before
        return {"validation_accuracy": accuracy}

    def candidates(self, step: int, settings: Refreshing) -> list[Candidate]:
        """``per_class`` images of each emotion, scored by the model and, where there is one, by the bank's judge. Each may
        show what an unlabelled picture shows, in its context states."""
        labels = [label for label in range(len(self.system.labels)) for _ in range(settings.per_class)]
        seeds = [self.seed * 1_000_003 + step * 10_007 + i for i in range(len(labels))]
        prompts = settings.prompts or self.settings.prompts[:1]
        pictured = self.pictured(len(labels), step) if settings.context == "unlabelled" else None
        made = self.generation.paint_labels(
            labels,
            seeds,
            [prompts[i % len(prompts)] for i in range(len(labels))],
            None if pictured is None else self.system.read(pictured, batch_size=64)[0].context,
            steps=settings.sampling_steps,
            guidance_scale=settings.guidance_scale,
            emotions=len(self.system.labels),
        )
        if pictured is not None:
            made = [
                dataclasses.replace(one, settings={**one.settings, "context": sample.id})
                for one, sample in zip(made, pictured, strict=True)
            ]
        samples = [Sample(f"candidate-{step}-{i}", (one.image,), one.label) for i, one in enumerate(made)]
        _, model = self.system.read(samples, batch_size=64)
        pictures = [one.image for one in made]
        judged = self.judge.probabilities(pictures) if self.judge is not None else None
        features = self.judge.features(pictures).tolist() if self.judge is not None else [()] * len(made)
        generator = self.generation.hash()
        candidates = []
        for i, one in enumerate(made):
            scores = {"model": float(model[i, one.label])}
            if judged is not None:
                scores["judge"] = float(judged[i, one.label])
            candidates.append(Candidate(one, scores, features[i], generator))
        return candidates

    def pictured(self, count: int, step: int) -> list[Sample]:
        """Unlabelled training pictures, one a candidate, drawn anew at every refresh."""
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + step * 10_007 + 1)
        chosen = torch.randint(len(self.unlabelled), (count,), generator=draw).tolist()
        return [self.unlabelled[i] for i in chosen]


def originals_of(samples: Sequence[Sample], settings: UnifyStage) -> list[Sample]:
    """What the stage trains on before the bank has anything: all pictures, or the labelled alone."""
    return [sample for sample in samples if settings.unlabelled or sample.label is not None]


def some_of(samples: Sequence[Sample], count: int | None, seed: int) -> list[Sample]:
    """At most ``count`` samples, each as likely as any other, in their order; all where it is None."""
    if count is None or len(samples) <= count:
        return list(samples)
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed))
    return [samples[i] for i in sorted(order[:count].tolist())]


def some_of_each(samples: Sequence[Sample], count: int | None, seed: int) -> list[Sample]:
    """At most ``count`` samples of each label, as :func:`some_of` draws them; all in their order where it is None."""
    if count is None:
        return list(samples)
    labels = sorted({sample.label for sample in samples if sample.label is not None})
    return [
        one
        for label in labels
        for one in some_of([s for s in samples if s.label == label], count, seed + label)
    ]
