"""What reinforcing does to held-out readings: their expected reward and entropy, and whether they have collapsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from emosym.assembly import WeightedReward
from emosym.contracts import Sample
from emosym.rewards import scored
from emosym.spec.model import EarlyStop
from emosym.system import System


@dataclass(frozen=True)
class Look:
    """What was seen in the validation images at one step."""

    step: int
    reward: float
    """Expected total reward, the mean over the images that a reward applies to."""
    entropy: float
    """Mean entropy of the readings, in nats."""


class Watch:
    """Looks at validation images every so often, and keeps the weights of the look with the highest reward.

    ``learning`` are the parameters that train, by name.
    """

    def __init__(
        self,
        settings: EarlyStop,
        system: System,
        rewards: Sequence[WeightedReward],
        samples: Sequence[Sample],
        learning: Mapping[str, nn.Parameter],
    ) -> None:
        self.settings = settings
        self.system, self.rewards, self.learning = system, rewards, learning
        self.samples = samples[: settings.images]
        self.start: Look | None = None
        self.best: Look | None = None
        self.last: Look | None = None
        self.kept: dict[str, Tensor] = {}

    def look(self, step: int) -> Look:
        """Read the images with the present weights."""
        states, probabilities = self.system.read(self.samples, batch_size=64)
        total = torch.from_numpy(
            scored(self.rewards, self.system, self.samples, states, probabilities).total()
        )
        p = probabilities.double().cpu()
        entropy = float(torch.special.entr(p).sum(-1).mean())
        seen = Look(step, float((p * total).sum(-1).nanmean()), entropy)
        self.start, self.last = self.start or seen, seen
        if self.best is None or seen.reward > self.best.reward:
            self.best = seen
            self.kept = {name: one.detach().cpu().clone() for name, one in self.learning.items()}
        return seen

    def verdict(self, step: int) -> str:
        """Why the stage is to end after what was seen at a step; empty where it may go on, or nothing was seen then."""
        start, seen, settings = self.start, self.last, self.settings
        if start is None or seen is None or seen.step != step:
            return ""
        if seen.entropy < settings.entropy * start.entropy:
            return f"the readings have collapsed: their entropy fell from {start.entropy:.4f} to {seen.entropy:.4f}"
        if settings.reward is not None and seen.reward < start.reward - settings.reward:
            return f"the held-out reward fell from {start.reward:.4f} to {seen.reward:.4f}"
        return ""

    def restore(self) -> int:
        """Put the best weights back; the step that they are of."""
        assert self.best is not None
        with torch.no_grad():
            for name, value in self.kept.items():
                self.learning[name].copy_(value)
        return self.best.step

    def state(self) -> dict[str, Any]:
        """The looks that count, for a checkpoint; the weights are in ``kept``."""
        return {"start": self.start and asdict(self.start), "best": self.best and asdict(self.best)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self.start, self.best = (state[name] and Look(**state[name]) for name in ("start", "best"))
