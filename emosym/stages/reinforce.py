"""Stage 2, reinforce: sharpen the tokens with verifiable rewards.

    L = ce_weight · CE(head(e), y) + reinforcer.loss(policy)

The reference of the KL term is the model as stage 1 left it. With ``share_prefix`` the prompt and the image of a batch
are encoded once, with the current weights and without gradient, and every rollout reads that prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.assembly import ExperimentParts, WeightedReward
from emosym.contracts import LossTerms, ReinforceBatch, RewardResources, Rollouts, Sample, States
from emosym.head import cross_entropy, labels_of
from emosym.spec.model import ReinforceStage
from emosym.system import System
from emosym.training.stage import Stage


class Reinforce(Stage[ReinforceStage]):
    """Trains tokens and head (and adapters where the preset says so) on rewards."""

    name = "reinforce"

    def __init__(
        self,
        system: System,
        settings: ReinforceStage,
        parts: ExperimentParts,
        samples: Sequence[Sample],
        seed: int,
        accumulation: int = 1,
    ) -> None:
        super().__init__(system, settings, samples, seed + 1, accumulation)
        if parts.reinforcer is None or not parts.rewards:
            raise EmosymError(
                "spec.no-rewards",
                "stage reinforce needs a reinforcer and rewards",
                hint="add them or set stages.reinforce: null",
            )
        self.reinforcer = parts.reinforcer
        self.rewards = parts.rewards
        self.resources = RewardResources(
            read=lambda samples: system.read(list(samples), batch_size=64)[1],
            judge=parts.judges.get("reward"),
            text_encoder=parts.text_encoder,
        )
        self.reference: dict[str, list[float]] = {}

    def before(self) -> None:
        """Give the rewards what they look at, and read every sample once for the reference."""
        for one in self.rewards:
            one.reward.bind(self.resources)
        if not self.reference:
            _, probabilities = self.system.read(self.samples, batch_size=64)
            rows = probabilities.clamp_min(1e-8).log().tolist()
            self.reference = {sample.id: row for sample, row in zip(self.samples, rows, strict=True)}

    def extra_state(self) -> dict[str, Any]:
        return {"reference": self.reference}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.reference = dict(state["reference"])

    def forward(self, batch: Sequence[Sample], generator: torch.Generator) -> LossTerms:
        read = self.reader(batch)
        tokens = self.system.compressor.tokens(1)[0, :-1]
        tries = ReinforceBatch(
            samples=batch,
            labels=labels_of(batch, tokens.device),
            mean=tokens,
            read=read,
            score=partial(weighted, self.rewards),
            project=self.system.compressor.project,
            reference=torch.tensor([self.reference[sample.id] for sample in batch], device=tokens.device),
            generator=generator,
        )
        terms = self.reinforcer.loss(tries)
        self.part_of_loss("reinforcer", terms.loss)
        if not self.settings.ce_weight:
            return terms
        _, logits = read(tokens.expand(len(batch), 1, -1, -1))
        ce, accuracy = cross_entropy(logits[:, 0], batch)
        self.part_of_loss("the cross entropy", ce)
        loss = terms.loss + self.settings.ce_weight * ce
        return LossTerms(loss, {"ce": float(ce.detach()), "accuracy": accuracy, **terms.values})

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


def weighted(rewards: Sequence[WeightedReward], rollouts: Rollouts) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Weighted reward [B,G] and each reward's own by name, inside its declared range."""
    each = {
        one.name: one.reward.score(rollouts).to(rollouts.actions.device).clamp(*one.reward.range)
        for one in rewards
    }
    return torch.stack([one.weight * each[one.name] for one in rewards]).sum(0), each
