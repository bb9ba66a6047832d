"""Stage 2, reinforce: sharpen the tokens with verifiable rewards (METHOD, stage 2).

    L = ce_weight · CE(head(e), y) + reinforcer.loss(policy)

The reference of the KL term is the model as stage 1 left it. With ``share_prefix`` the prompt and the image of a batch
are encoded once, with the current weights and without gradient, and every rollout reads that prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.assembly import Surroundings
from emosym.contracts import LossTerms, Needs, Policy, Rollouts, Sample, States
from emosym.spec.model import ReinforceStage
from emosym.stages.compress import classification, labels_of
from emosym.system import System
from emosym.training.loop import Shuffle, Stage, steps_for


class Reinforce(Stage):
    """Trains tokens and head (and adapters where the preset says so) on rewards."""

    name = "reinforce"

    def __init__(
        self,
        system: System,
        settings: ReinforceStage,
        around: Surroundings,
        samples: Sequence[Sample],
        seed: int,
    ) -> None:
        super().__init__(system, settings)
        if around.reinforcer is None or not around.rewards:
            raise EmosymError(
                "spec.no-rewards",
                "stage reinforce needs a reinforcer and rewards",
                hint="add them or set stages.reinforce: null",
            )
        self.reinforcer = around.reinforcer
        self.around = around
        self.samples = samples
        self.shuffle = Shuffle(len(samples), settings.batch_size, seed + 1)
        self.reference: dict[str, list[float]] = {}

    @property
    def steps(self) -> int:
        return steps_for(self.settings, len(self.samples))

    def before(self) -> None:
        """Ask the rewards what they need, and read every sample once for the reference."""
        bind_rewards(self.around, self.system, self.samples)
        if not self.reference:
            _, probabilities = self.system.read(self.samples, batch_size=64)
            rows = probabilities.clamp_min(1e-8).log().tolist()
            self.reference = {sample.id: row for sample, row in zip(self.samples, rows, strict=True)}

    def extra_state(self) -> dict[str, Any]:
        return {"reference": self.reference}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.reference = dict(state["reference"])

    def batch(self, step: int, rank: int, world: int) -> Sequence[Sample]:
        return [self.samples[i] for i in self.shuffle(step)][rank::world]

    def forward(self, batch: Sequence[Sample], generator: torch.Generator) -> LossTerms:
        read = self.reader(batch)
        tokens = self.system.core.compressor.tokens(1)[0, :-1]
        labels = labels_of(batch, tokens.device)
        policy = Policy(
            samples=batch,
            labels=labels,
            mean=tokens,
            read=read,
            score=self.score,
            project=self.system.core.compressor.project,
            reference=torch.tensor([self.reference[sample.id] for sample in batch], device=tokens.device),
            generator=generator,
        )
        terms = self.reinforcer.loss(policy)
        if not self.settings.ce_weight:
            return terms
        _, logits = read(tokens.expand(len(batch), 1, -1, -1))
        ce, accuracy = classification(logits[:, 0], labels)
        loss = terms.loss + self.settings.ce_weight * ce
        return LossTerms(loss, {"ce": float(ce.detach()), "accuracy": accuracy, **terms.values})

    def reader(self, batch: Sequence[Sample]) -> Callable[[Tensor], tuple[States, Tensor]]:
        """``read(context [B,G,K,D])`` → (states, logits [B,G,C]) for this batch."""
        backbone = self.system.core.backbone
        shared = backbone.shares_prefixes and self.settings.share_prefix
        prefix = backbone.encode(batch) if shared else None

        def read(context: Tensor) -> tuple[States, Tensor]:
            size, tries = context.shape[:2]
            emotion = self.system.core.compressor.tokens(1)[:, -1:].expand(size * tries, -1, -1)
            tokens = torch.cat([context.flatten(0, 1), emotion], 1)
            if prefix is not None:
                hidden = backbone.read(prefix, tokens)
            else:
                hidden = backbone([sample for sample in batch for _ in range(tries)], tokens)
            states = States.split(hidden.float())
            logits = self.system.head(states.emotion).float().unflatten(0, (size, tries))
            return States(
                states.context.unflatten(0, (size, tries)), states.emotion.unflatten(0, (size, tries))
            ), logits

        return read

    def score(self, rollouts: Rollouts) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted reward [B,G] and each reward's own, checked against its declared range."""
        each = {}
        for name, _, reward in self.around.rewards:
            value = reward.score(rollouts).to(rollouts.actions.device)
            low, high = reward.range
            if not bool(((value >= low - 1e-4) & (value <= high + 1e-4)).all()):
                raise EmosymError(
                    "reward.out-of-range", f"reward {name} left its range [{low}, {high}]: {float(value.min())} to {float(value.max())}",
                    hint="report it to the plugin's authors",
                )  # fmt: skip
            each[name] = value
        total = sum(weight * each[name] for name, weight, _ in self.around.rewards)
        assert isinstance(total, Tensor)
        return total, each


def bind_rewards(around: Surroundings, system: System, samples: Sequence[Sample]) -> None:
    """Give each reward what it needs; what is not there is an error before the first step."""
    names = [name for name, _, _ in around.rewards]
    for twice in {name for name in names if names.count(name) > 1}:
        raise EmosymError(
            "spec.reward-twice", f"reward {twice!r} is listed twice", hint="give one entry the whole weight"
        )
    judge = around.judges.get("reward")
    for name, _, reward in around.rewards:
        needs = reward.needs
        if needs.judge and judge is None:
            raise EmosymError(
                "reward.needs-judge",
                f"reward {name} needs a judge",
                hint="set judges.reward (not the evaluation judge)",
            )
        if needs.text and around.text_encoder is None:
            raise EmosymError(
                "reward.needs-text", f"reward {name} needs a text encoder", hint="set text_encoder"
            )
        require_annotations(name, needs, samples)
        reward.bind(
            {
                "judge": judge,
                "text_encoder": around.text_encoder,
                "read": lambda samples: system.read(list(samples), batch_size=64)[1],
            }
        )


def require_annotations(name: str, needs: Needs, samples: Sequence[Sample]) -> None:
    """Refuse data in which no sample has what a reward reads; a sample without it merely says nothing."""
    if needs.labels and all(sample.label is None for sample in samples):
        raise EmosymError(
            "reward.needs-labels",
            f"reward {name} reads labels, and no training image has one",
            hint="use data with labels, or leave the reward out",
        )
    if needs.attributes and not any(
        sample.attributes.get(key) for sample in samples for key in needs.attributes
    ):
        raise EmosymError(
            "reward.needs-attributes",
            f"reward {name} reads {' or '.join(needs.attributes)}, and no training image has any",
            hint="use data with these annotations, or leave the reward out",
        )
