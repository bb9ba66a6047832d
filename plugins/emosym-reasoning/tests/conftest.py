"""Small values that several tests need."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from emosym.contracts import CompressBatch, Context, LabelSet, Rollouts, Sample, States

from .batches import CLASSES, HIDDEN, TOKENS, WIDTH, compress_batch


@pytest.fixture
def context() -> Context:
    """A context of eight emotions, D = 12, W = 10, three context tokens, two text encoders."""
    return Context(
        LabelSet.of("mikels-8"),
        seed=5,
        hidden_size=HIDDEN,
        text_width=WIDTH,
        context_tokens=TOKENS,
        token_widths=(6, 9),
    )


@pytest.fixture
def draw() -> Callable[..., torch.Tensor]:
    """Standard normal numbers from one seeded generator."""
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator)


@pytest.fixture
def states(draw: Callable[..., torch.Tensor]) -> Callable[[int], States]:
    """Random states of N samples."""
    return lambda count: States(draw(count, TOKENS, HIDDEN), draw(count, HIDDEN))


@pytest.fixture
def told() -> Callable[..., CompressBatch]:
    """What the stage compress tells a compressor: :func:`compress_batch`."""
    return compress_batch


@pytest.fixture
def rollouts(draw: Callable[..., torch.Tensor]) -> Callable[..., Rollouts]:
    """Rollouts of given actions and labels, other fields random unless given."""

    def make(actions: list[list[int]], labels: list[int], **given: Any) -> Rollouts:
        batch, tries = len(actions), len(actions[0])
        made = Rollouts(
            samples=[Sample(f"s{index}", ()) for index in range(batch)],
            labels=torch.tensor(labels),
            actions=torch.tensor(actions),
            probabilities=draw(batch, tries, CLASSES).softmax(-1),
            states=States(draw(batch, tries, TOKENS, HIDDEN), draw(batch, tries, HIDDEN)),
            context_features=draw(batch, tries, WIDTH),
        )
        return dataclasses.replace(made, **given)

    return make
