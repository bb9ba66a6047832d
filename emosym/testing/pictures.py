"""What suites show to components: seeded pictures and samples, an untrained judge, annotated texts, a text encoder
without a vocabulary."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from emosym.contracts import (
    Change,
    ComponentConfig,
    Context,
    Judge,
    Knowledge,
    Probe,
    Sample,
    States,
    TextEncoder,
)
from emosym.toolkit import hash_tensors

SCENES = ("beach", "forest", "street", "bedroom", "mountain", "kitchen")
OBJECTS = ("dog", "lamp", "boat", "flower", "ball", "cake")


def picture(number: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """An RGB picture of soft coloured blobs that depends on ``number`` alone."""
    chance = np.random.default_rng(number)
    coarse = chance.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def samples(count: int, *, labels: int = 8, sizes: Sequence[tuple[int, int]] = ((64, 64),)) -> list[Sample]:
    """Labelled and annotated samples; sample i is the same whatever ``count`` is."""
    return [
        Sample(
            id=f"sample-{number}",
            images=(picture(number, sizes[number % len(sizes)]),),
            label=number % labels,
            attributes=annotated(number),
        )
        for number in range(count)
    ]


def annotated(number: int) -> Mapping[str, Any]:
    """What is annotated of a sample: scene, object, brightness, colorfulness, reasoning."""
    scene, thing = SCENES[number % len(SCENES)], OBJECTS[(number // 2) % len(OBJECTS)]
    return {
        "scene": scene,
        "object": [thing],
        "brightness": (number % 5) / 4,
        "colorfulness": (number % 3) / 2,
        "reasoning": f"A {thing} in a {scene}; number {number}.",
    }


class ProjectionConfig(ComponentConfig):
    """Parameters of the judge below."""

    seed: int = 0


class ProjectionJudge(Judge[ProjectionConfig]):
    """A real, untrained judge: a fixed random projection of the picture's pixels. Independent of any
    system."""

    SIDE = 8

    weight: Tensor

    def __init__(self, config: ProjectionConfig, context: Context) -> None:
        super().__init__(config, context)
        draw = torch.Generator().manual_seed(config.seed)
        self.register_buffer("weight", torch.randn(3 * self.SIDE**2, len(context.labels), generator=draw))

    @property
    def identity(self) -> str:
        return hash_tensors({"weight": self.weight})

    def features(self, images: Sequence[Image.Image]) -> Tensor:
        small = [np.asarray(image.convert("RGB").resize((self.SIDE, self.SIDE))) for image in images]
        return torch.from_numpy(np.stack(small)).float().div(127.5).sub(1).flatten(1)

    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        return (self.features(images) @ self.weight).softmax(-1)


class ProjectionProbe(Probe):
    """A real, untrained system of two [CTX] and [EMO]: states are what ``judge`` sees of a picture, turned by the tokens, and
    pictures are fixed projections of states."""

    TOKENS, WIDTH = 3, 3 * ProjectionJudge.SIDE**2

    def __init__(self, judge: ProjectionJudge) -> None:
        self.judge = judge

    def read(
        self, samples: Sequence[Sample], changes: Mapping[str, Change]
    ) -> Mapping[str, tuple[States, NDArray[np.float64]]]:
        seen = self.judge.features([sample.open()[0] for sample in samples])
        own = torch.randn(self.TOKENS, self.WIDTH, generator=torch.Generator().manual_seed(5)) + 1.0
        answers = {}
        for name, change in changes.items():
            tokens = change(own.expand(len(samples), -1, -1), samples)
            states = States.split((seen[:, None] * tokens).cumsum(1))
            answers[name] = states, (states.emotion @ self.judge.weight).softmax(-1).double().numpy()
        return answers

    def paint(self, states: States, seeds: Sequence[int]) -> Sequence[Image.Image]:
        made = []
        for row, seed in zip(states.joined().mean(1), seeds, strict=True):
            noise = torch.randn(self.WIDTH, generator=torch.Generator().manual_seed(seed))
            pixels = (row + 0.1 * noise).tanh().add(1).mul(127.5).reshape(self.judge.SIDE, self.judge.SIDE, 3)
            made.append(Image.fromarray(pixels.numpy().astype(np.uint8)))
        return made


class AnnotatedKnowledge(Knowledge):
    """The reasoning that is annotated."""

    def texts(self, samples: Sequence[Sample]) -> list[str | None]:
        return [sample.attributes.get("reasoning") for sample in samples]


class HashingTextEncoder(TextEncoder):
    """A real text encoder without training: a random vector for each word, drawn from the word's hash."""

    @property
    def width(self) -> int:
        return self.context.text_width

    def token_states(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        words = [text.lower().split() for text in texts]
        states = torch.zeros(len(texts), max(map(len, words)), self.width)
        mask = torch.zeros(states.shape[:2], dtype=torch.bool)
        for row, own in enumerate(words):
            mask[row, : len(own)] = True
            for place, word in enumerate(own):
                states[row, place] = self._word(word)
        return states, mask

    def _word(self, word: str) -> Tensor:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
        return torch.randn(self.width, generator=torch.Generator().manual_seed(seed))
