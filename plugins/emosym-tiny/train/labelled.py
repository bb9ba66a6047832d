"""Pictures with emotion labels as the world draws them, for the judges alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from emosym_tiny.world.distribution import World
from emosym_tiny.world.render import render_many
from torch import Tensor

from train.loop import WORK
from train.renders import Renders


@dataclass(frozen=True)
class Labelled:
    """Renders with the emotion index each was drawn for, as noisy as the world is."""

    renders: Renders
    emotions: np.ndarray

    def targets(self) -> Tensor:
        """Indices of emotion, scene and object, [N,3]."""
        rows = zip(self.emotions.tolist(), self.renders.attributes, strict=True)
        return torch.tensor([[emotion, item.scene, item.object] for emotion, item in rows])


@cache
def labelled_renders(n: int, seed: int) -> Labelled:
    """Draw n pictures with labels; every seed is its own data set, kept on disk."""
    drawn = World().sample(n, np.random.default_rng(seed))
    attributes = [item for item, _ in drawn]
    path = WORK / f"labelled-{seed}-{n}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, render_many(attributes, seed=seed, size=64, workers=2))
    return Labelled(Renders(np.load(path), attributes), np.array([emotion for _, emotion in drawn]))
