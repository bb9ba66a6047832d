"""Head ``sdxl``: Stable Diffusion XL base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from emosym.contracts import Condition
from emosym_diffusion.base import LatentDiffusion
from emosym_diffusion.families import Family, Tower


def text_and_sizes(outputs: Sequence[Any], size: tuple[int, int]) -> Condition:
    """Penultimate hidden states side by side, the last encoder's pooled text, and the time ids [B,6]:
    original height and width, top and left of the crop, target height and width (Podell et al. 2023, section
    2.2)."""
    hidden = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
    width, height = map(float, size)
    sizes = torch.tensor([height, width, 0.0, 0.0, height, width], device=hidden.device)
    return Condition(hidden, outputs[-1].text_embeds, {"time_ids": sizes.repeat(len(hidden), 1)})


class StableDiffusionXL(LatentDiffusion):
    """The denoiser sees the penultimate hidden states of two CLIP text encoders side by side, the second
    encoder's projected end token, and the picture's sizes (original, crop, target): all ours are whole and of
    one size."""

    family = Family(
        name="sdxl",
        towers=(
            Tower("tokenizer", "text_encoder", CLIPTextModel),
            Tower("tokenizer_2", "text_encoder_2", CLIPTextModelWithProjection),
        ),
        embedding="text_time",
        zero_empty=True,
        example="stabilityai/stable-diffusion-xl-base-1.0",
        condition=text_and_sizes,
    )
