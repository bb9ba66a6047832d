"""Small random models of diffusers' and transformers' own classes, saved as pipeline folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from emosym_diffusion.config import StableDiffusionConfig, StableDiffusionXLConfig
from emosym_diffusion.sd import StableDiffusion
from emosym_diffusion.sdxl import StableDiffusionXL
from emosym_registry import EmosymError
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from emosym.contracts import Context, LabelSet

LENGTH, SIDE, WIDTHS = 20, 16, (24, 40)
HEADS = {"sd": (StableDiffusion, StableDiffusionConfig), "sdxl": (StableDiffusionXL, StableDiffusionXLConfig)}


def _tokenizer(pad: str) -> CLIPTokenizer:
    """CLIP's tokenizer over letters, with a few whole words."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = letters + [f"{letter}</w>" for letter in letters]
    merges = []
    for word in ("street", "dark", "red"):
        for cut in range(2, len(word) + 1):
            last = word[cut - 1] + ("</w>" if cut == len(word) else "")
            merges.append((word[: cut - 1], last))
            tokens.append(word[: cut - 1] + last)
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=pad, model_max_length=LENGTH)


def _encoder(width: int, tokenizer: CLIPTokenizer, cls: Any) -> Any:
    return cls(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=LENGTH,
            projection_dim=24,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    ).eval()


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        latent_channels=4,
        sample_size=SIDE,
        scaling_factor=0.5,
    )


def _unet(cross: int, **more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=SIDE // 2,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=8,
        cross_attention_dim=cross,
        **more,
    )


def _scheduler(prediction: str) -> Any:
    if prediction == "flow":
        return FlowMatchEulerDiscreteScheduler(shift=3.0)
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type=prediction,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def build_pipeline(family: str, prediction: str) -> Any:
    """A whole pipeline with seeded random weights."""
    torch.manual_seed(20240501)
    first = _tokenizer("<|endoftext|>")
    if family == "sd":
        return StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=_encoder(WIDTHS[0], first, CLIPTextModel),
            tokenizer=first,
            unet=_unet(WIDTHS[0]),
            scheduler=_scheduler(prediction),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    second = _tokenizer("!")
    return StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=_encoder(WIDTHS[0], first, CLIPTextModel),
        text_encoder_2=_encoder(WIDTHS[1], second, CLIPTextModelWithProjection),
        tokenizer=first,
        tokenizer_2=second,
        unet=_unet(
            sum(WIDTHS),
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=24 + 6 * 8,
        ),
        scheduler=_scheduler(prediction),
        add_watermarker=False,
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Where the pipeline of a family (``sd``, ``sdxl``) and prediction is saved; made once a session."""
    root = tmp_path_factory.mktemp("pipelines")

    def get(family: str, prediction: str = "epsilon") -> Path:
        path = root / f"{family}-{prediction}"
        if not path.exists():
            build_pipeline(family, prediction).save_pretrained(path)
        return path

    return get


@pytest.fixture
def copied(folder: Callable[[str, str], Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of a pipeline folder for a test to spoil."""

    def make(family: str = "sd") -> Path:
        return Path(shutil.copytree(folder(family), tmp_path / family))

    return make


@pytest.fixture
def refused(context: Context) -> Callable[..., EmosymError]:
    """The error that opening a model with these parameters gives."""

    def get(family: str, model: str | Path, **params: Any) -> EmosymError:
        cls, config = HEADS[family]
        with pytest.raises(EmosymError) as caught:
            cls(config(model=str(model), **params), context)
        return caught.value

    return get


@pytest.fixture(scope="session")
def context() -> Context:
    return Context(labels=LabelSet.of("mikels-8"), seed=5, device=torch.device("cpu"), kind="diffusion")


@pytest.fixture(scope="session")
def open_head(folder: Callable[..., Path], context: Context) -> Callable[..., Any]:
    """Open a head; heads with the same arguments are opened once, so tests must leave them as they were."""
    opened: dict[str, Any] = {}

    def get(family: str, prediction: str = "epsilon", model: str | None = None, **params: Any) -> Any:
        key = json.dumps([family, prediction, model, params], sort_keys=True, default=str)
        if key not in opened:
            cls, config = HEADS[family]
            model_path = model or str(folder(family, prediction))
            opened[key] = cls(config(model=model_path, **params), replace(context, component=family))
        return opened[key]

    return get


@pytest.fixture(scope="session")
def generators() -> Callable[..., list[torch.Generator]]:
    """One generator a seed."""
    return lambda *seeds: [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.fixture(scope="session")
def vectors_for() -> Callable[..., tuple[torch.Tensor, ...]]:
    """Random vectors at the vocabulary's scale, one tensor [B,n,w] a text encoder."""

    def make(
        head: Any, batch: int, n: int = 2, seed: int = 3, grad: bool = False
    ) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(seed)
        made = []
        for width, norm in zip(head.token_widths, head.token_norms, strict=True):
            value = torch.randn(batch, n, width, generator=generator) * norm / width**0.5
            made.append(value.requires_grad_(grad))
        return tuple(made)

    return make
