"""What all rewards share: resources that are really there, scores that are really in range."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from emosym_registry import EmosymError
from torch import Tensor

from emosym.contracts import Context, RewardVerifier, Rollouts

TOLERANCE = 1e-4
"""How far float32 probabilities may stray outside the range."""


class Reward(RewardVerifier):
    """A reward whose ``_score`` is checked: float32 [B,G], finite, inside ``range``.

    Rewards that weigh against the annotation give 0 to every try of an unlabelled sample: its group then has no
    spread, and no advantage.
    """

    def __init__(self, config: Any, context: Context) -> None:
        self.config = config
        self.context = context
        self.resources: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return self.context.component or type(self).__name__

    def bind(self, resources: Mapping[str, Any]) -> None:
        super().bind(resources)
        wanted = {
            "text_encoder": (self.needs.text, "add text_encoder: to the spec"),
            "judge": (self.needs.judge, "name a judge under judges.reward"),
            "read": (self.needs.augmentation, "this stage offers no second reading; leave the reward out"),
        }
        for resource, (needed, hint) in wanted.items():
            if needed and self.resources.get(resource) is None:
                raise EmosymError(
                    "reward.missing-resource", f"reward {self.name} needs a {resource}", hint=hint
                )

    def resource(self, name: str) -> Any:
        """A resource that ``bind`` has checked; scoring before it is a fault of the stage."""
        if name not in self.resources:
            raise EmosymError(
                "reward.not-bound", f"reward {self.name} scores before bind() gave it a {name}", ours=True
            )
        return self.resources[name]

    @torch.no_grad()
    def score(self, rollouts: Rollouts) -> Tensor:
        scores = self._score(rollouts).float()
        low, high = self.range
        inside = (scores >= low - TOLERANCE) & (scores <= high + TOLERANCE)
        if not bool(inside.all()):  # NaN compares false
            worst = scores[~inside][0].item()
            where = int((~inside).nonzero()[0, 0])
            raise EmosymError(
                "reward.out-of-range",
                f"reward {self.name} gave {worst} for sample {rollouts.samples[where].id}; its range is [{low}, {high}]",
                hint="look for NaN in the model's probabilities or in the judge's",
                ours=True,
            )
        return scores.clamp(low, high)

    @abstractmethod
    def _score(self, rollouts: Rollouts) -> Tensor:
        """[B,G]."""


def at_actions(probabilities: Tensor, rollouts: Rollouts) -> Tensor:
    """Of ``probabilities`` [B,C], those of the actions [B,G]."""
    actions = rollouts.actions
    return probabilities.to(actions.device, torch.float32).gather(1, actions)
