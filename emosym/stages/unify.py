"""Stage 3, unify: fuse, generate, feed back (METHOD, stage 3).

    L = diffusion_weight · ‖denoise(x_t | fuse(c, e)) − target‖² + ce_weight · CE(head(e), y)

Every T steps the memory bank is refreshed: the emotion space is fitted with the current weights, images are generated
from it and scored, and the bank decides which of them replace which originals. What it admits is trained on from the
next step: that is the loop from generation back to understanding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from emosym.assembly import Surroundings
from emosym.contracts import Candidate, LossTerms, Sample, States
from emosym.evaluation.generation import paint_labels
from emosym.spec.model import UnifyStage
from emosym.stages.compress import classification, labels_of
from emosym.system import System
from emosym.training.loop import Shuffle, Stage, steps_for

LATENT_CACHE = 20_000


class Unify(Stage):
    """Trains fusion, tokens and head on denoising and labels, with the bank's images in the training set."""

    name = "unify"

    def __init__(
        self,
        system: System,
        settings: UnifyStage,
        around: Surroundings,
        samples: Sequence[Sample],
        validation: Sequence[Sample],
        seed: int,
        hook: Any,
        run: Any,
    ) -> None:
        super().__init__(system, settings)
        self.around = around
        self.originals = [sample for sample in samples if sample.label is not None]
        self.validation = validation
        self.seed = seed
        self.hook = hook
        self.run = run
        self.latents: dict[str, Tensor] = {}
        self.accuracy: float | None = None
        self.calibrated = False
        self.gradient_norm = 0.0
        self.use_view(0)

    @property
    def steps(self) -> int:
        return steps_for(self.settings, len(self.originals))

    # ---- the training set: originals and what the bank put in their place

    def use_view(self, step: int) -> None:
        """Draw batches from the bank's current training set, from ``step`` on."""
        memory = self.around.memory
        self.view = memory.view(self.originals) if memory is not None else list(self.originals)
        self.since = step
        self.shuffle = Shuffle(len(self.view), self.settings.batch_size, self.seed + 2 + step)

    def batch(self, step: int, rank: int, world: int) -> Sequence[Sample]:
        return [self.view[i] for i in self.shuffle(step - self.since)][rank::world]

    def before(self) -> None:
        """Scale the fusion to the vocabulary and to the states it will see; done once, before the first step."""
        if self.calibrated:
            return
        fusion, diffusion = self.system.core.fusion, self.system.core.diffusion
        assert fusion is not None
        assert diffusion is not None
        states, _ = self.system.read(self.originals[:1024], batch_size=64)
        fusion.calibrate(diffusion.token_norms, states)
        self.calibrated = True

    def extra_state(self) -> dict[str, Any]:
        bank = self.around.memory.snapshot() if self.around.memory is not None else None
        return {"since": self.since, "accuracy": self.accuracy, "calibrated": self.calibrated, "bank": bank}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.accuracy, self.calibrated = state["accuracy"], state["calibrated"]
        if self.around.memory is not None:
            self.around.memory.restore(state["bank"])
        self.use_view(int(state["since"]))

    # ---- one step

    def forward(self, batch: Sequence[Sample], generator: torch.Generator) -> LossTerms:
        diffusion = self.system.core.diffusion
        assert diffusion is not None
        states = self.system.states(batch)
        logits = self.system.head(states.emotion)
        labels = labels_of(batch, logits.device)
        ce, accuracy = classification(logits, labels)
        seen = self.scaled(states)
        pick = torch.randint(len(self.settings.prompts), (len(batch),), generator=generator).tolist()
        condition = diffusion.condition(self.system.fuse(seen), [self.settings.prompts[i] for i in pick])
        denoising = diffusion.loss(self.latents_of(batch), condition, generator).mean()
        loss = self.settings.diffusion_weight * denoising + self.settings.ce_weight * ce
        values = {"ce": float(ce.detach()), "accuracy": accuracy, "denoising": float(denoising.detach())}
        values["generated_share"] = sum(sample.generated for sample in batch) / len(batch)
        return LossTerms(loss, values)

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
        """VAE latents [B,…] of the first pictures, each computed once (up to a bound)."""
        diffusion = self.system.core.diffusion
        assert diffusion is not None
        if len(self.latents) + len(batch) > LATENT_CACHE:
            self.latents.clear()
        new = [sample for sample in batch if sample.id not in self.latents]
        if new:
            fresh = diffusion.latents(self.system.pixels(new)).float().cpu()
            self.latents |= dict(zip((sample.id for sample in new), fresh, strict=True))
        return torch.stack([self.latents[sample.id] for sample in batch]).to(self.system.device)

    # ---- feeding back

    def after_step(self, step: int) -> Mapping[str, float]:
        values = {"diffusion_gradient_norm": self.gradient_norm}
        refresh = self.settings.refresh
        if (
            refresh is not None
            and self.around.memory is not None
            and step % refresh.every == 0
            and step < self.steps
        ):
            values |= self.refresh(step)
        return values

    def finish(self) -> None:
        """Fit the emotion space with the final weights."""
        self.fit_space()

    def fit_space(self) -> Tensor:
        """Fit the emotion space to the originals as the current weights see them; their probabilities [N,C]."""
        states, probabilities = self.system.read(self.originals, batch_size=64)
        space = self.system.core.emotion_space
        assert space is not None
        space.fit(
            states, torch.tensor([sample.label for sample in self.originals], device=states.emotion.device)
        )
        space.to(self.system.device)
        return probabilities

    def refresh(self, step: int) -> dict[str, float]:
        """Offer newly generated images to the bank, after undoing the last refresh if it did harm."""
        memory, refresh = self.around.memory, self.settings.refresh
        assert memory is not None
        assert refresh is not None
        values = {}
        if refresh.tolerance is not None:
            values = self.judge_last_refresh(refresh.tolerance)
        probabilities = self.fit_space()
        confidences = {
            sample.id: float(row[sample.label]) for sample, row in zip(self.originals, probabilities.tolist(), strict=True)
        }  # fmt: skip
        done = memory.refresh(step, self.candidates(step), confidences)
        self.hook.emosym_bank_refreshed(run=self.run, step=step, refresh=done)
        self.use_view(step)
        return {
            **values,
            "bank/admitted": len(done.admitted),
            "bank/refused": len(done.refused),
            "bank/fraction": done.fraction,
        }

    def judge_last_refresh(self, tolerance: float) -> dict[str, float]:
        """Roll the last refresh back when validation accuracy fell by more than ``tolerance`` since it."""
        assert self.around.memory is not None
        _, probabilities = self.system.read(self.validation, batch_size=64)
        labels = labels_of(self.validation, probabilities.device)
        accuracy = float((probabilities.argmax(-1) == labels).float().mean())
        before, self.accuracy = self.accuracy, accuracy
        if before is not None and before - accuracy > tolerance:
            self.around.memory.rollback(f"validation accuracy fell from {before:.4f} to {accuracy:.4f}")
            self.accuracy = before
        return {"validation_accuracy": accuracy}

    def candidates(self, step: int) -> list[Candidate]:
        """``per_class`` images of each emotion, scored by the model and, where there is one, by the bank's judge."""
        refresh = self.settings.refresh
        assert refresh is not None
        classes = len(self.system.labels)
        labels = [label for label in range(classes) for _ in range(refresh.per_class)]
        seeds = [self.seed * 1_000_003 + step * 10_007 + i for i in range(len(labels))]
        made = paint_labels(
            self.system,
            labels,
            seeds,
            self.settings.prompts[0],
            steps=refresh.sampling_steps,
            guidance_scale=refresh.guidance_scale,
        )
        samples = [Sample(f"candidate-{step}-{i}", (one.image,), one.label) for i, one in enumerate(made)]
        _, model = self.system.read(samples, batch_size=64)
        judge = self.around.judges.get("bank")
        pictures = [one.image for one in made]
        judged = judge.probabilities(pictures) if judge is not None else None
        features = judge.features(pictures).tolist() if judge is not None else [()] * len(made)
        generator = self.system.generator_hash()
        out = []
        for i, one in enumerate(made):
            scores = {"model": float(model[i, one.label])}
            if judged is not None:
                scores["judge"] = float(judged[i, one.label])
            out.append(Candidate(one, scores, features[i], generator))
        return out
