"""Three ways to train a backbone, and what [EMO] may see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import torch
from emosym_registry import EmosymError
from emosym_vlm.conformance import PARAMS, QwenVL
from pydantic import ValidationError

FAMILIES = ("qwen2_vl", "llava", "idefics3")
WAYS = [
    ("frozen", "all"),
    ("frozen", "context"),
    ("activated", "all"),
    ("activated", "context"),
    ("lora", "context"),
]


class TestActivated(QwenVL):
    """Adapters at the tokens alone keep every promise of a backbone."""

    params: ClassVar[Mapping[str, Any]] = {**PARAMS, "training": "activated"}


class TestBottleneck(QwenVL):
    """So does a model whose [EMO] sees the context alone."""

    params: ClassVar[Mapping[str, Any]] = {**PARAMS, "emotion_sees": "context"}


class TestFrozen(QwenVL):
    """And one in which nothing learns."""

    params: ClassVar[Mapping[str, Any]] = {**PARAMS, "training": "frozen", "emotion_sees": "context"}


def tokens(backbone, rows, seed=0):
    mean, std = backbone.typical_embedding()
    generator = torch.Generator().manual_seed(seed)
    return mean + std * torch.randn(rows, 4, backbone.hidden_size, generator=generator)


def unsettled(backbone):
    """Adapters that do something, as after training."""
    with torch.no_grad():
        for parameter in backbone.adapters().values():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.2)
    return backbone


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("training", "sees"), WAYS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_one_pass_equals_encoding_and_reading(family, training, sees, side, build, samples):
    backbone = unsettled(build(family, training=training, emotion_sees=sees, padding_side=side))
    vectors = tokens(backbone, len(samples))
    with torch.no_grad():
        torch.testing.assert_close(
            backbone.read(backbone.encode(samples), vectors), backbone(samples, vectors), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_activated_adapters_leave_the_prompt_to_the_frozen_model(family, build, samples):
    frozen, activated = build(family, training="frozen"), unsettled(build(family, training="activated"))
    one, other = frozen.encode(samples), activated.encode(samples)
    assert torch.equal(one.last_hidden, other.last_hidden)
    assert activated.write(other, max_new_tokens=3) == frozen.write(one, max_new_tokens=3)
    vectors = tokens(frozen, len(samples))
    assert (frozen.read(one, vectors) - activated.read(other, vectors)).abs().max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("training", ["frozen", "activated", "lora"])
def test_what_emotion_says_of_a_picture_passes_through_the_context(family, training, build, samples):
    """With the states of [CTX] cut off from the picture, nothing of it reaches [EMO]: by the gradient to the prompt's values."""
    backbone = build(family, training=training, emotion_sees="context")
    prefix, vectors = backbone.encode(samples[:1]), tokens(backbone, 1)
    layers = prefix.cache.layers
    for layer in layers:
        layer.values = layer.values.detach().requires_grad_()
    last = layers[-1]
    states = backbone.read(prefix, vectors)
    # In the last layer there is no later one in which the context could pass on what it saw.
    (through,) = torch.autograd.grad(
        states[:, -1].square().sum(), last.values, retain_graph=True, allow_unused=True
    )
    assert through is None or not through.any()
    (seen,) = torch.autograd.grad(states[:, 0].square().sum(), last.values, retain_graph=True)
    assert seen.any()
    (earlier,) = torch.autograd.grad(states[:, -1].square().sum(), layers[0].values)
    assert earlier.any()


def test_gradient_reaches_the_prompts_adapters_where_they_learn(build, samples):
    backbone = build("qwen2_vl", emotion_sees="context").train()
    backbone(samples, tokens(backbone, len(samples)))[:, -1].square().sum().backward()
    moved = [name for name, parameter in backbone.adapters().items() if parameter.grad is not None]
    assert len(moved) == len(backbone.adapters())


@pytest.mark.parametrize("learns", [True, False])
def test_encoding_leaves_alone_which_adapters_learn(learns, build, samples):
    backbone = build("qwen2_vl", training="activated")
    for parameter in backbone.adapters().values():
        parameter.requires_grad_(learns)
    backbone.encode(samples)
    assert {parameter.requires_grad for parameter in backbone.adapters().values()} == {learns}


def test_what_cannot_go_together_is_refused(build):
    with pytest.raises(ValidationError, match=r"adapter\.targets is \[language\]"):
        build("llava", training="activated", adapter={"targets": ["language", "projector"]})
    with pytest.raises(ValidationError, match="emotion_sees: context"):
        build("llava", emotion_sees="context", gradient_checkpointing=True)
    with pytest.raises(EmosymError) as caught:
        build("gemma3", training="activated")
    assert caught.value.id == "backbone.no-prefix-apart"
    with pytest.raises(EmosymError) as caught:
        build("llava", training="activated").merge()
    assert caught.value.id == "backbone.activated-merge"


def test_a_frozen_prompt_needs_no_checkpointing(build, samples):
    backbone = build("qwen2_vl", training="activated", gradient_checkpointing=True).train()
    vectors = tokens(backbone, len(samples)).requires_grad_()
    backbone.read(backbone.encode(samples), vectors).square().sum().backward()
    assert vectors.grad.abs().sum(-1).gt(0).all()
