"""Components that break what every kind promises, shown on fusions and rewards."""

from __future__ import annotations

import dataclasses
import random
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel
from torch import nn

from emosym.contracts import Context
from emosym.testing import RewardSuite

from .reward import Config, Right, suite


class Unrelated:
    """No reward at all."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context

    def bind(self, resources: Any) -> None:
        self.resources = resources


class Forgetful(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.config = Config()


class Displaced(Right):
    """Takes its context for a part of its own."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, dataclasses.replace(context, kind=""))


class Unexplained(Right):
    """Needs annotations, and does not say which."""

    needs: ClassVar[tuple[str, ...]] = ("attributes",)


class Wordy(Right):
    """Needs what nothing gives."""

    needs: ClassVar[tuple[str, ...]] = ("labels", "text")


class Undescribed(Right):
    """Needs more than the descriptor of the component it stands in for."""

    needs: ClassVar[tuple[str, ...]] = ("labels", "judge")


class LooseConfig(BaseModel):
    """Takes any key."""


class LossyConfig(Config):
    """Writes itself in another way than it reads."""

    def model_dump(self, **options: Any) -> dict[str, Any]:
        return {"scale": self.scale + 1}


class Weighty(Right, nn.Module):
    """Starts from the global random state instead of the context's seed."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        with torch.random.fork_rng(devices=[]):
            self.weight = nn.Parameter(torch.randn(3))


class Buffered(Right, nn.Module):
    """Its weights are seeded; a buffer is not."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.weight = nn.Parameter(torch.ones(3))
        with torch.random.fork_rng(devices=[]):
            self.register_buffer("directions", torch.randn(3))


class HalfLoaded(Right, nn.Module):
    """Makes its weights where they take no memory, and fills in only some."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.table = nn.Parameter(torch.ones(3))
        self.register_buffer("scale", torch.ones(3, device="meta"))


class Drawing(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        torch.rand(1)


class DrawingInNumpy(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        np.random.rand()


class SeedingPython(Right):
    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        random.seed(context.seed)


class ForgetfulConfig(Config):
    """Its ``migrate`` forgets to return what it has changed."""

    @classmethod
    def migrate(cls, params: dict[str, Any], version: str) -> dict[str, Any]:
        params.pop("cosy", None)
        return None  # type: ignore[return-value]


GOOD = suite(Right)
BROKEN = {
    "component.contract": suite(Unrelated),
    "component.needs": suite(Unexplained),
    "component.strict-config": type(
        "Loose", (RewardSuite,), {"implementation": Right, "config": LooseConfig}
    ),
    "component.round-trip-config": type(
        "Lossy", (RewardSuite,), {"implementation": Right, "config": LossyConfig}
    ),
    "component.migrate": type(
        "Forgets", (RewardSuite,), {"implementation": Right, "config": ForgetfulConfig}
    ),
    "component.seeded": suite(Weighty),
    "component.leaves-random-state": suite(Drawing),
    "component.device": suite(HalfLoaded),
}
ALSO_BROKEN = (
    ("component.contract", suite(Displaced)),
    ("component.contract", suite(Forgetful, {"scale": 2.0})),
    ("component.needs", suite(Wordy)),
    ("component.needs", suite(Undescribed, component="emosym-reasoning/label")),
    ("component.seeded", suite(Buffered)),
    ("component.leaves-random-state", suite(DrawingInNumpy)),
    ("component.leaves-random-state", suite(SeedingPython)),
)
