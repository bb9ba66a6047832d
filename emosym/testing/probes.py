"""What checks ask again and again: how far apart tensors are, what a loss reaches, whether a call is
refused."""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from emosym_registry import EmosymError
from torch import Tensor, nn

from emosym.testing.checks import require


def gap(one: Tensor, other: Tensor) -> float:
    """The largest absolute difference; infinite where shapes differ or a value is not a number."""
    if one.shape != other.shape:
        return math.inf
    largest = float((one.detach() - other.detach()).abs().max())
    return math.inf if math.isnan(largest) else largest


def tensors_of(component: object) -> dict[str, Tensor]:
    """Parameters, buffers and other saved tensors of a module by name; empty for what is no module."""
    if not isinstance(component, nn.Module):
        return {}
    own = {**component.state_dict(keep_vars=True), **dict(component.named_buffers())}
    return {name: value for name, value in own.items() if isinstance(value, Tensor)}


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same values; what is no number yet is the same as itself."""
    return one.shape == other.shape and bool(torch.isclose(one, other, rtol=0, atol=0, equal_nan=True).all())


def finite(value: Tensor) -> bool:
    """Whether every element is a number."""
    return bool(torch.isfinite(value).all())


def unreached(loss: Tensor, parameters: Mapping[str, Tensor]) -> list[str]:
    """Names of the ``parameters`` that ``loss`` gives no gradient, a zero one, or one that is no number.

    No ``.grad`` is written.
    """
    if not loss.requires_grad:
        return list(parameters)
    gradients = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, allow_unused=True)
    return [
        name
        for name, gradient in zip(parameters, gradients, strict=True)
        if gradient is None or not finite(gradient) or not bool(gradient.any())
    ]


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    """The gradient of ``loss`` to a tensor; zeros where there is none."""
    gradient = None
    if loss.requires_grad:
        (gradient,) = torch.autograd.grad(loss, [of], retain_graph=True, allow_unused=True)
    return torch.zeros_like(of) if gradient is None else gradient


def refusal(call: Callable[..., Any], *given: Any) -> EmosymError | None:
    """The error with which a call is refused; None where it goes through."""
    try:
        call(*given)
    except EmosymError as error:
        return error
    return None


@contextmanager
def leaving_random_state() -> Iterator[None]:
    """What happens inside must not draw from the global generators of torch, numpy and Python, or seed
    them."""
    before = _random_states()
    yield
    moved = [whose for whose, state in _random_states().items() if state != before[whose]]
    require(not moved, f"that the global generator of {' and '.join(moved)} has moved")


@contextmanager
def from_seed(seed: int) -> Iterator[None]:
    """The global generators start from ``seed`` inside, and go on afterwards as if nothing had been drawn."""
    drawn, chance = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(drawn)
            random.setstate(chance)


def _random_states() -> dict[str, object]:
    """Where the global generators are, by whose they are."""
    return {
        "torch": torch.random.get_rng_state().numpy().tobytes(),
        "numpy": pickle.dumps(np.random.get_state(legacy=False)),
        "Python": random.getstate(),
    }


@contextmanager
def in_mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Training or eval mode inside, and every part's own mode again afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def mixed(value: Tensor, seed: int = 0) -> Tensor:
    """A scalar that depends on every element of ``value``, each with a weight of its own."""
    weights = torch.randn(value.shape, generator=torch.Generator().manual_seed(seed))
    return (value * weights.to(value)).sum()
