"""Pretraining pictures: attributes drawn uniformly, so nothing in them depends on an emotion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from emosym_tiny.world.distribution import Attributes, World
from emosym_tiny.world.language import caption, full_caption
from emosym_tiny.world.render import render_many
from torch import Tensor

from train.loop import WORK

TRAIN, HELD_OUT, SEED = 24_000, 1_000, 20_240_001


@dataclass(frozen=True)
class Renders:
    """``pixels`` uint8 [N,64,64,3] and the attributes they were drawn from."""

    pixels: np.ndarray
    attributes: list[Attributes]

    def __len__(self) -> int:
        return len(self.attributes)

    def images(self, index: np.ndarray) -> Tensor:
        """Pictures as float [B,3,64,64] in [-1,1]."""
        return torch.from_numpy(self.pixels[index]).permute(0, 3, 1, 2).float().div(127.5).sub(1.0)

    def captions(self, index: np.ndarray, rng: np.random.Generator) -> list[str]:
        """A fresh caption of each picture, one of many wordings."""
        return [caption(self.attributes[i], rng) for i in index]

    def full_captions(self, index: np.ndarray) -> list[str]:
        """The canonical, complete caption of each picture."""
        return [full_caption(self.attributes[i]) for i in index]

    def batch(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Indices [size] drawn without replacement."""
        return rng.choice(len(self), size, replace=False)


def _make(n: int, seed: int) -> Renders:
    attributes = World().sample_uniform(n, np.random.default_rng(seed))
    path = WORK / f"renders-{seed}-{n}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, render_many(attributes, seed=seed, size=64, workers=2))
    return Renders(np.load(path), attributes)


@cache
def train_renders() -> Renders:
    """The pictures every embedded model is pretrained on."""
    return _make(TRAIN, SEED)


@cache
def held_out_renders() -> Renders:
    """Pictures no embedded model has seen, for the figures in the model card."""
    return _make(HELD_OUT, SEED + 1)
