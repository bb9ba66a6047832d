"""Stage 2, reinforce: sharpen the tokens with verifiable rewards.

    L = ce_weight · CE(head(e), y) + reinforcer.loss(policy)

The reference of the KL term is the model as stage 1 left it. With ``share_prefix`` the prompt and the image of a batch
are encoded once, with the current weights and without gradient, and every rollout reads that prefix. An image without a
label takes part where a reward applies to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.assembly import ExperimentParts
from emosym.contracts import LossTerms, ReinforceBatch, Rollouts, Sample, States
from emosym.head import cross_entropy, fitting_temperature, labels_of
from emosym.processes import any_says, is_first
from emosym.rewards import rewarded, weighted
from emosym.spec.model import ReinforceStage
from emosym.stages.examples import RolloutLog
from emosym.stages.watch import Watch
from emosym.system import System
from emosym.training.stage import Stage


class Reinforce(Stage[ReinforceStage]):
    """Trains tokens and head (and adapters where the preset says so) on rewards, which are bound to what they look at."""

    name = "reinforce"

    def __init__(
        self,
        system: System,
        settings: ReinforceStage,
        parts: ExperimentParts,
        samples: Sequence[Sample],
        validation: Sequence[Sample],
        seed: int,
        run: Path,
        accumulation: int = 1,
    ) -> None:
        if parts.reinforcer is None or not parts.rewards:
            raise EmosymError(
                "spec.no-rewards",
                "stage reinforce needs a reinforcer and rewards",
                hint="add them or set stages.reinforce: null",
            )
        taught = rewarded(parts.rewards, samples, labels=settings.ce_weight > 0)
        super().__init__(system, settings, taught, seed + 1, accumulation)
        self.reinforcer = parts.reinforcer
        self.rewards = parts.rewards
        self.validation = [sample for sample in validation if sample.label is not None]
        if settings.calibrate and not self.validation:
            raise EmosymError(
                "data.no-labels",
                "stages.reinforce.calibrate fits a temperature to labels, and no validation image has one",
                hint="set stages.reinforce.calibrate: false",
            )
        learning = {
            f"{group}/{name}": parameter
            for group in settings.train
            for name, parameter in system.group(group).items()
        }
        stop = settings.early_stop
        self.watch = Watch(stop, system, parts.rewards, validation, learning) if stop is not None else None
        self.log = RolloutLog(run, system.labels.names)
        self.seen: tuple[Rollouts, Tensor, Mapping[str, Tensor]] | None = None
        self.reference: dict[str, list[float]] = {}
        self.step = 0

    def before(self) -> None:
        """Read every sample that will be drawn once for the reference, and look at the validation images."""
        if is_first():
            self.log.forget_beyond(self.step)
        if not self.reference:
            drawn = self.to_be_drawn()
            _, probabilities = self.system.read(drawn, batch_size=64)
            rows = probabilities.clamp_min(1e-8).log().tolist()
            self.reference = {sample.id: row for sample, row in zip(drawn, rows, strict=True)}
        if self.watch is not None and self.watch.start is None:
            self.watch.look(0)

    def extra_state(self) -> dict[str, Any]:
        watched = self.watch.state() if self.watch is not None else {}
        state = {"step": self.step, "watched": watched, "reinforcer": dict(self.reinforcer.state())}
        return {"reference": self.reference, **state}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.reference, self.step = dict(state["reference"]), int(state["step"])
        self.reinforcer.load_state(state["reinforcer"])
        if self.watch is not None:
            self.watch.load_state(state["watched"])

    def kept(self) -> dict[str, Tensor]:
        return self.watch.kept if self.watch is not None else {}

    def load_kept(self, tensors: Mapping[str, Tensor]) -> None:
        if self.watch is not None:
            self.watch.kept = dict(tensors)

    # ---- one step

    def forward(self, batch: Sequence[Sample], generator: torch.Generator) -> LossTerms:
        read = self.reader(batch)
        tokens = self.system.compressor.tokens(1)[0, :-1]
        tries = ReinforceBatch(
            samples=batch,
            labels=labels_of(batch, tokens.device),
            mean=tokens,
            read=read,
            score=self.score,
            project=self.system.compressor.project,
            reference=torch.tensor([self.reference[sample.id] for sample in batch], device=tokens.device),
            generator=generator,
        )
        terms = self.reinforcer.loss(tries)
        self.part_of_loss("reinforcer", terms.loss)
        if not self.settings.ce_weight:
            return terms
        logits = terms.logits
        if logits is None:
            logits = read(tokens.expand(len(batch), 1, -1, -1))[1][:, 0]
        ce, accuracy = cross_entropy(logits, batch)
        self.part_of_loss("the cross entropy", ce)
        loss = terms.loss + self.settings.ce_weight * ce
        return LossTerms(loss, {"ce": float(ce.detach()), "accuracy": accuracy, **terms.values})

    def score(self, rollouts: Rollouts) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The weighted reward [B,G] and each reward's own, which are remembered for the log."""
        total, each = weighted(self.rewards, rollouts)
        self.seen = (rollouts, total, each)
        return total, each

    def reader(self, batch: Sequence[Sample]) -> Callable[[Tensor], tuple[States, Tensor]]:
        """``read(context [B,G,K,D])`` → (states, logits [B,G,C]) for this batch."""
        shared = self.settings.share_prefix or not self.system.backbone.prefix_learns
        hidden = self.system.reader(batch, share=shared)

        def read(context: Tensor) -> tuple[States, Tensor]:
            size, tries = context.shape[:2]
            emotion = self.system.compressor.tokens(1)[:, -1:].expand(size * tries, -1, -1)
            states = hidden(torch.cat([context.flatten(0, 1), emotion], 1))
            logits = self.system.logits(states).float().unflatten(0, (size, tries))
            return States(
                states.context.unflatten(0, (size, tries)), states.emotion.unflatten(0, (size, tries))
            ), logits

        return read

    # ---- what becomes of it

    def after_step(self, step: int) -> Mapping[str, float]:
        self.step = step
        shown, watch = self.settings.examples, self.watch
        if (
            shown is not None
            and self.seen is not None
            and is_first()
            and (step == 1 or step % shown.every == 0)
        ):
            self.log.write(step, *self.seen, shown.images)
        self.seen = None
        if watch is None or (step % watch.settings.every and step != self.steps):
            return {}
        seen = watch.look(step)
        return {"held_out/reward": seen.reward, "held_out/entropy": seen.entropy}

    def review(self, step: int, values: Mapping[str, float]) -> str:
        """Let the reinforcer adapt; where the readings have collapsed, put back the best weights and end the stage."""
        self.reinforcer.after_step(values)
        reason = self.watch.verdict(step) if self.watch is not None else ""
        if self.watch is None or not any_says(bool(reason)):
            return ""
        best = self.watch.restore()
        return f"{reason or 'another process has seen a collapse'}; the weights are those of step {best}"

    def finish(self) -> Mapping[str, Any]:
        """Calibrate the head on the validation images, where the settings say so; the temperature."""
        if not self.settings.calibrate:
            return {}
        _, probabilities = self.system.read(self.validation, batch_size=64)
        logs = probabilities.clamp_min(1e-30).log()
        temperature = fitting_temperature(logs, labels_of(self.validation, logs.device))
        self.system.head.cool(temperature)
        return {"temperature": temperature}
