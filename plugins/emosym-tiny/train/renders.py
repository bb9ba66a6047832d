"""Training pictures: drawn uniformly for pretraining, which sees no emotion, and with labels for judges."""

from __future__ import annotations

from collections.abc import Sequence
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
UNKNOWN = -100
"""The emotion of pictures without a label, which the cross entropy ignores."""


@dataclass(frozen=True)
class Renders:
    """``pixels`` uint8 [N,64,64,3] with the attributes and the emotions that they were drawn for."""

    pixels: np.ndarray
    attributes: Sequence[Attributes]
    emotions: Sequence[int]

    def __len__(self) -> int:
        return len(self.attributes)

    def __getitem__(self, part: slice) -> Renders:
        return Renders(self.pixels[part], self.attributes[part], self.emotions[part])

    def images(self, index: np.ndarray | slice = slice(None)) -> Tensor:
        """Pictures as float [B,3,64,64] in [-1,1], all of them by default."""
        return scaled(torch.from_numpy(self.pixels[index]))

    def captions(self, index: np.ndarray, rng: np.random.Generator) -> list[str]:
        """A fresh caption of each picture, one of many wordings."""
        return [caption(self.attributes[i], rng) for i in index]

    def full_captions(self, index: np.ndarray | None = None) -> list[str]:
        """The canonical, complete caption of each picture, of all by default."""
        return [full_caption(self.attributes[i]) for i in (range(len(self)) if index is None else index)]

    def batch(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Indices [size] drawn without replacement."""
        return rng.choice(len(self), size, replace=False)

    def targets(self) -> Tensor:
        """Indices of emotion, scene and object, [N,3]; labels are as noisy as the world is."""
        rows = zip(self.emotions, self.attributes, strict=True)
        return torch.tensor([[emotion, item.scene, item.object] for emotion, item in rows])


def scaled(pictures: Tensor) -> Tensor:
    """uint8 [B,H,W,3] to [B,3,H,W] in [-1,1], what mean and deviation 0.5 give."""
    return pictures.permute(0, 3, 1, 2).float().div(127.5).sub(1.0)


def _drawn(attributes: Sequence[Attributes], emotions: Sequence[int], seed: int) -> Renders:
    path = WORK / f"renders-{seed}-{len(attributes)}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, render_many(attributes, seed=seed, size=64, workers=2))
    return Renders(np.load(path), attributes, emotions)


def _unlabelled(n: int, seed: int) -> Renders:
    return _drawn(World().sample_uniform(n, np.random.default_rng(seed)), [UNKNOWN] * n, seed)


@cache
def train_renders() -> Renders:
    """The pictures every embedded model is pretrained on."""
    return _unlabelled(TRAIN, SEED)


@cache
def held_out_renders() -> Renders:
    """Pictures no embedded model has seen, for the figures in the model card."""
    return _unlabelled(HELD_OUT, SEED + 1)


@cache
def labelled_renders(n: int, seed: int) -> Renders:
    """Pictures with labels, for the judges alone; every seed is its own data set, kept on disk."""
    attributes, emotions = zip(*World().sample(n, np.random.default_rng(seed)), strict=True)
    return _drawn(attributes, emotions, seed)
