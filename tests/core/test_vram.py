"""What is said of memory without a card agrees with what is measured where the same computation really runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from emosym_registry import Registry
from PIL import Image

from emosym.assembly import Builder
from emosym.contracts import Sample, Workload
from emosym.spec import load_spec
from emosym.toolkit.metering import Meter, metered
from emosym.vram import CARDS, CONTEXT_BYTES, GIB, Estimate, card_for, estimate

CONFIGS = Path(__file__).parents[2] / "configs"
EXACT = ("compute.precision=fp32", "backbone.params.attention=sdpa")
"""Without mixed precision, and with the attention that both sides fuse."""


def test_a_meter_counts_a_storage_once_and_as_long_as_it_lives() -> None:
    with Meter() as meter:
        first = torch.zeros(1000)
        second = first.view(10, 100)[1:] + 1
        assert meter.now == 4000 + 3600
        del first, second
        assert meter.now == 0
        torch.zeros(500)
    assert meter.peak == 4000 + 3600


def test_a_meter_sees_what_the_backward_pass_holds() -> None:
    x = torch.zeros(100, 50, requires_grad=True)
    with Meter() as meter:
        y = x.exp().sum()  # exp keeps its own result
        assert meter.now == 4 * (100 * 50 + 1)
        y.backward()
        assert meter.peak == 4 * (2 * 100 * 50 + 2)


def test_the_meta_device_is_metered_as_cuda_under_autocast() -> None:
    with torch.device("meta"):
        layer = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.GroupNorm(4, 64), torch.nn.Dropout(0.5))
        x = torch.zeros(32, 64)
    for parameter in layer.parameters():
        parameter.requires_grad_(False)
    x.requires_grad_(True)
    with metered(torch.bfloat16) as meter:
        y = layer(x)
        elements = 32 * 64
        statistics = 2 * 32 * 4 * 4
        # Linear: its weight and bias in bf16 (the weight kept); norm: its input in fp32; dropout: a byte mask and the result.
        assert y.dtype == torch.float32
        assert meter.now == 2 * 64 * 64 + 4 * elements + statistics + elements + 4 * elements


@pytest.fixture
def pictures() -> list[Sample]:
    """Eight pictures of two sizes, so that a batch needs padding."""
    rng = np.random.default_rng(0)
    sizes = [(512, 512 - 32 * (i % 2), 3) for i in range(8)]
    return [
        Sample(str(i), (Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)),))
        for i, size in enumerate(sizes)
    ]


def build(registry: Registry, path: str, *sets: str) -> tuple[Any, Any, Any]:
    """An embedded component, its config and its context."""
    resolved = load_spec("preset:tiny", registry=registry, sets=[*EXACT, *sets])
    builder = Builder.of(resolved, registry, device=torch.device("cpu"), precision="fp32")
    component = builder.build(path)
    spec = resolved.offers[path].spec
    context = dataclasses.replace(builder.context, kind=spec.kind, component=spec.name)
    return component, resolved.config(path), context


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_backbone_takes_what_its_footprint_says(
    registry: Registry, pictures: list[Sample], checkpointing: bool
) -> None:
    backbone, config, context = build(
        registry,
        "backbone",
        "backbone.params.training=lora",
        f"backbone.params.gradient_checkpointing={str(checkpointing).lower()}",
    )
    said = type(backbone).footprint(config, context, Workload(len(pictures), image=(512, 512)))
    backbone.train()
    for parameter in backbone.adapters().values():
        parameter.grad = torch.zeros_like(parameter)
    tokens = torch.zeros(len(pictures), 5, backbone.hidden_size, requires_grad=True)
    with Meter() as meter:
        states = backbone(pictures, tokens)
        held = meter.now
        states.sum().backward()
    assert said.parameters == sum(p.numel() for p in backbone.parameters()) - said.trainable
    assert said.trainable == sum(p.numel() for p in backbone.adapters().values())
    assert said.weight_bytes == 4 * said.parameters
    # The prompt's text is taken to be 48 tokens and has 27; what surrounds the decoder is not counted.
    assert said.held_bytes == pytest.approx(held, rel=0.15)
    assert said.peak_bytes == pytest.approx(meter.peak, rel=0.25)


@pytest.mark.parametrize("name", ["sd", "sdxl"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_head_takes_what_its_footprint_says(registry: Registry, name: str, checkpointing: bool) -> None:
    head, config, context = build(
        registry,
        "diffusion",
        f"diffusion.name={name}",
        f"diffusion.params.gradient_checkpointing={str(checkpointing).lower()}",
        "diffusion.params.attention=sdpa",
    )
    said = type(head).footprint(config, context, Workload(4))
    vectors = tuple(torch.zeros(4, 1, width, requires_grad=True) for width in head.token_widths)
    latents = head.latents(torch.zeros(4, 3, *reversed(head.image_size)))
    prompts = ["a picture of {emotion}"] * 4
    with Meter() as meter:
        loss = head.loss(latents, head.condition(vectors, prompts), torch.Generator()).mean()
        held = meter.now
        loss.backward()
    assert said.parameters == sum(p.numel() for p in head.parameters())
    assert said.held_bytes == pytest.approx(held, rel=0.03)
    assert said.peak_bytes == pytest.approx(meter.peak, rel=0.03)

    sampling = type(head).footprint(config, context, Workload(4, gradients=False))
    with Meter() as meter:
        condition = head.condition(tuple(one.detach() for one in vectors), prompts)
        head.sample(condition, generators=[torch.Generator() for _ in range(4)], steps=2)
    assert sampling.peak_bytes == pytest.approx(meter.peak, rel=0.1)


def test_what_is_held_is_what_autograd_saves(registry: Registry, pictures: list[Sample]) -> None:
    backbone, _, _ = build(registry, "backbone", "backbone.params.adapter.dropout=0.1")
    backbone.train()
    tokens = torch.zeros(len(pictures), 5, backbone.hidden_size, requires_grad=True)
    weights = {parameter.untyped_storage()._cdata for parameter in backbone.parameters()}
    saved: dict[int, Any] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            saved[storage._cdata] = storage
        return tensor

    backbone(pictures, tokens)
    with Meter() as meter, torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        states = backbone(pictures, tokens)
    assert states.requires_grad
    assert meter.now == pytest.approx(sum(storage.nbytes() for storage in saved.values()), rel=0.02)


@pytest.fixture(scope="module")
def paper(registry: Registry) -> Estimate:
    return estimate(load_spec(CONFIGS / "paper" / "qwen2-vl-2b_sd15.yaml", registry=registry), registry)


def test_an_estimate_has_exact_weights_and_optimiser_states(paper: Estimate) -> None:
    backbone, head = paper.parts["backbone"], paper.parts["diffusion"]
    assert (backbone.parameters, head.parameters) == (2_208_985_600, 859_520_964 + 83_653_863 + 123_060_480)
    compress = paper.stages[0]
    assert compress.weights == 2 * (backbone.parameters + head.parameters)
    tokens, head_size = 5 * 1536, 1537 * 256 + 257 * 8
    projection, fusion = 1537 * 768, 2 * (1537 * 1024 + 1025 * 768)
    trained = backbone.trainable + tokens + head_size + projection
    assert compress.trained == 16 * trained + 4 * fusion


def test_every_stage_of_the_paper_fits_a_card(paper: Estimate) -> None:
    assert [stage.stage for stage in paper.stages] == ["compress", "reinforce", "unify", "evaluate"]
    assert {stage.stage: card_for(stage.total) for stage in paper.stages} == {
        "compress": 40, "reinforce": 16, "unify": 48, "evaluate": 16,
    }  # fmt: skip
    assert not paper.unknown


@pytest.mark.slow
def test_checkpointing_is_what_makes_the_papers_batch_fit(registry: Registry) -> None:
    sets = ["backbone.params.gradient_checkpointing=false", "stages.reinforce=null", "stages.unify=null"]
    spec = load_spec(CONFIGS / "paper" / "qwen2-vl-2b_sd15.yaml", registry=registry, sets=sets)
    compress = estimate(spec, registry).stages[0]
    assert compress.activations > 200 * GIB
    assert compress.total_checkpointed is not None
    assert card_for(compress.total) is None
    assert card_for(compress.total_checkpointed) == 40


def test_an_unknown_model_is_named_and_left_out(registry: Registry) -> None:
    sets = ["backbone.params.model=somebody/new-vlm", "compute.precision=fp32"]
    found = estimate(load_spec("preset:tiny", registry=registry, sets=sets), registry)
    assert found.unknown == {"backbone": "somebody/new-vlm"}
    assert set(found.parts) == {"diffusion"}
    assert all(stage.weights == found.parts["diffusion"].weight_bytes for stage in found.stages)


@pytest.mark.parametrize(("size", "card"), [(7 * GIB, 8), (8 * GIB, 12), (130 * GIB, 141), (141 * GIB, None)])
def test_the_smallest_card_that_holds_it_is_named(size: int, card: int | None) -> None:
    assert card_for(size) == card
    assert sorted(CARDS) == list(CARDS)
    assert CARDS[0] * GIB > CONTEXT_BYTES


@pytest.mark.parametrize("training", ["lora", "activated", "frozen"])
def test_our_own_preset_is_estimated_whatever_of_its_backbone_learns(
    registry: Registry, training: str
) -> None:
    """Its backbone checkpoints activations, which a prefix that rollouts share has none of."""
    resolved = load_spec("preset:emosym", registry=registry, sets=[f"backbone.params.training={training}"])
    stages = {one.stage: one for one in estimate(resolved, registry).stages}
    assert list(stages) == ["compress", "reinforce", "unify", "evaluate"]
    assert all(one.total > 0 for one in stages.values())
