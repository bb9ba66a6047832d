"""A family of three text encoders, such as a third party may describe, on the same base."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DConditionModel
from emosym_diffusion import DiffusionConfig, Family, LatentDiffusion, Tower
from transformers import CLIPTextModel

from emosym.contracts import Condition, Workload

NUMBERS = ("", "_2", "_3")


def side_by_side(outputs, size):
    return Condition(torch.cat([output.last_hidden_state for output in outputs], dim=-1))


class ThreeTowers(LatentDiffusion):
    family = Family(
        name="three",
        towers=tuple(Tower(f"tokenizer{n}", f"text_encoder{n}", CLIPTextModel) for n in NUMBERS),
        embedding=None,
        zero_empty=False,
        example="somebody/three",
        condition=side_by_side,
    )


@pytest.fixture
def three(copied) -> DiffusionConfig:
    path = copied()
    for number in NUMBERS[1:]:
        for part in ("tokenizer", "text_encoder"):
            shutil.copytree(path / part, path / f"{part}{number}")
    torch.manual_seed(3)
    unet = dict(UNet2DConditionModel.load_config(path / "unet")) | {"cross_attention_dim": 3 * 24}
    shutil.rmtree(path / "unet")
    UNet2DConditionModel.from_config(unet).save_pretrained(path / "unet")
    return DiffusionConfig(model=str(path))


def test_three_text_encoders_take_three_tensors_of_vectors_and_all_learn(three, context, vectors_for):
    head = ThreeTowers(three, replace(context, component="three"))
    assert head.token_widths == (24, 24, 24)
    vectors = vectors_for(head, 2, grad=True)
    condition = head.condition(vectors, ["a {emotion} street"] * 2)
    assert condition.hidden.shape == (2, 20, 72)
    head.loss(torch.zeros(2, 4, 8, 8), condition, torch.Generator().manual_seed(0)).sum().backward()
    assert all((vector.grad.norm(dim=-1) > 0).all() for vector in vectors)


def test_three_text_encoders_are_measured_by_their_own_family(three, context):
    footprint = ThreeTowers.footprint(three, context, Workload(2))
    assert [footprint.details[f"token_width_{number}"] for number in (1, 2, 3)] == [24, 24, 24]
    head = ThreeTowers(three, context)
    assert footprint.parameters == sum(parameter.numel() for parameter in head.parameters())
    assert footprint.held_bytes > 0
