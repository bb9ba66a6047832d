"""Folders as Stable Diffusion 1.5, 2.1 and XL are published, in small: read whole, and sampled as diffusers
samples them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from emosym_diffusion.config import StableDiffusionConfig, StableDiffusionXLConfig
from emosym_diffusion.sd import StableDiffusion
from emosym_diffusion.sdxl import StableDiffusionXL
from transformers import CLIPTextConfig, CLIPTextModel

PROMPTS = ["a dark street", "red"]
CLOSE = {"rtol": 0, "atol": 2e-5}


def _edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.fixture
def sd15(copied) -> Path:
    """With a safety checker whose weights are a pickle of rubbish, never to be opened where it is left out."""
    path = copied()
    _edit(
        path / "model_index.json",
        _class_name="StableDiffusionPipeline",
        _diffusers_version="0.6.0",
        scheduler=["diffusers", "PNDMScheduler"],
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPImageProcessor"],
        image_encoder=[None, None],
        requires_safety_checker=True,
    )
    for name in ("safety_checker", "feature_extractor"):
        (path / name).mkdir()
    (path / "safety_checker" / "config.json").write_text('{"model_type": "clip"}')
    (path / "safety_checker" / "pytorch_model.bin").write_bytes(b"rubbish")
    (path / "feature_extractor" / "preprocessor_config.json").write_text('{"crop_size": 224}')
    scheduler = {"_class_name": "PNDMScheduler", "skip_prk_steps": True, "trained_betas": None}
    _edit(path / "scheduler" / "scheduler_config.json", **scheduler)
    # Of the time before sample sizes: transformers 4.22 wrote no id of the end token but 2.
    _edit(path / "text_encoder" / "config.json", eos_token_id=2, hidden_act="quick_gelu")
    return path


@pytest.fixture
def sd21(copied, folder) -> Path:
    """Velocity, an OpenCLIP-H text encoder without its last layer (its padding is "!"), heads of one
    width."""
    path = copied()
    torch.manual_seed(21)
    for name in ("text_encoder", "unet", "tokenizer"):
        shutil.rmtree(path / name)
    shutil.copytree(folder("sdxl") / "tokenizer_2", path / "tokenizer")
    text = CLIPTextConfig.from_pretrained(folder("sd"), subfolder="text_encoder").to_dict()
    text |= {
        "hidden_act": "gelu",
        "projection_dim": 16,
        "num_hidden_layers": 3,
        "eos_token_id": 2,
        "hidden_size": 32,
    }
    CLIPTextModel(CLIPTextConfig.from_dict(text)).save_pretrained(path / "text_encoder")
    unet = dict(UNet2DConditionModel.load_config(folder("sd"), subfolder="unet"))
    unet |= {
        "attention_head_dim": [2, 4],  # The number of heads, in spite of its name.
        "use_linear_projection": True,
        "cross_attention_dim": 32,
        "upcast_attention": True,
        "dual_cross_attention": False,
        "num_class_embeds": None,
    }
    UNet2DConditionModel.from_config(unet).save_pretrained(path / "unet")
    _edit(
        path / "scheduler" / "scheduler_config.json",
        _class_name="DDIMScheduler",
        prediction_type="v_prediction",
        trained_betas=None,
        skip_prk_steps=True,
    )
    return path


def _noise(seeds) -> torch.Tensor:
    return torch.cat([torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(s)) for s in seeds])


def _theirs(cls, path: Path, **options: Any) -> torch.Tensor:
    pipeline = cls.from_pretrained(path, **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        PROMPTS, latents=_noise((1, 2)), num_inference_steps=4, guidance_scale=5.0, output_type="pt"
    ).images


def _ours(head, generators) -> torch.Tensor:
    condition = head.condition(None, PROMPTS)
    return head.sample(condition, generators=generators(1, 2), steps=4, guidance_scale=5.0)


def test_sd_1_5_is_read_without_its_safety_checker(sd15, context, generators):
    head = StableDiffusion(StableDiffusionConfig(model=str(sd15), safety_checker=False), context)
    assert type(head._scheduler).__name__ == "PNDMScheduler"
    assert head._objective.prediction == "epsilon"
    assert not head.screen(torch.zeros(2, 3, 16, 16)).any()
    theirs = _theirs(StableDiffusionPipeline, sd15, safety_checker=None, feature_extractor=None)
    torch.testing.assert_close(_ours(head, generators), theirs, **CLOSE)


@pytest.mark.parametrize("attention", ["sdpa", "plain"])
def test_sd_2_1_predicts_velocity_with_the_penultimate_layer(sd21, context, generators, attention):
    head = StableDiffusion(StableDiffusionConfig(model=str(sd21), attention=attention), context)
    assert head._objective.prediction == "v_prediction"
    assert head.token_widths == (32,)
    assert head.towers[0].encoder.config.hidden_act == "gelu"
    heads = {module.heads for module in head.unet.modules() if hasattr(module, "heads")}
    assert heads == {2, 4}
    torch.testing.assert_close(_ours(head, generators), _theirs(StableDiffusionPipeline, sd21), **CLOSE)


def test_sd_2_1_pads_as_its_tokenizer_says_and_takes_vectors(sd21, context, vectors_for):
    head = StableDiffusion(StableDiffusionConfig(model=str(sd21)), context)
    prompts = head.towers[0].prompts
    assert set(prompts(["{emotion}"], 3).ids[0, 5:].tolist()) == {prompts._tokenizer.pad_token_id}
    assert prompts._tokenizer.pad_token == "!"
    vectors = vectors_for(head, 2, n=3, grad=True)
    condition = head.condition(vectors, ["a {emotion} street"] * 2)
    head.loss(torch.zeros(2, 4, 8, 8), condition, torch.Generator().manual_seed(0)).sum().backward()
    assert (vectors[0].grad.norm(dim=-1) > 0).all()


def test_sd_2_1_stays_near_in_half_precision(sd21, context, generators):
    """Its attention overflows in fp16 where it is not upcast."""
    full, half = (
        StableDiffusion(StableDiffusionConfig(model=str(sd21), dtype=dtype), context)
        for dtype in ("fp32", "fp16")
    )
    assert (_ours(half, generators) - _ours(full, generators)).abs().mean() < 0.005


@pytest.mark.parametrize("zeros", [True, False])
def test_sdxl_takes_the_empty_prompt_as_its_index_says(copied, context, generators, zeros):
    path = copied("sdxl")
    _edit(path / "model_index.json", force_zeros_for_empty_prompt=zeros)
    head = StableDiffusionXL(StableDiffusionXLConfig(model=str(path)), context)
    empty = head._unconditional(1)
    assert (empty.hidden.abs().max() == 0) == zeros
    assert (empty.pooled.abs().max() == 0) == zeros
    torch.testing.assert_close(_ours(head, generators), _theirs(StableDiffusionXLPipeline, path), **CLOSE)


def test_sdxl_takes_both_encoders_the_pooled_end_token_and_the_sizes(open_head):
    head = open_head("sdxl")
    condition = head.condition(None, PROMPTS)
    assert condition.hidden.shape == (2, 20, 24 + 40)
    assert condition.pooled.shape == (2, 24)
    assert condition.extra["time_ids"].tolist() == [[16.0, 16.0, 0.0, 0.0, 16.0, 16.0]] * 2
