"""Head ``sdxl``: Stable Diffusion XL base."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from emosym_registry import EmosymError
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from emosym.contracts import Condition, Context, Vectors
from emosym_diffusion.base import LatentDiffusion
from emosym_diffusion.checks import Family, Tower
from emosym_diffusion.config import StableDiffusionXLConfig

TIME_IDS = 6
"""Original height and width, top and left of the crop, target height and width."""


class StableDiffusionXL(LatentDiffusion):
    """The denoiser sees the penultimate hidden states of two CLIP text encoders side by side, the second encoder's
    projected end token, and the picture's sizes (original, crop, target): all ours are whole and of one size."""

    family = Family(
        name="sdxl",
        towers=(
            Tower("tokenizer", "text_encoder", CLIPTextModel),
            Tower("tokenizer_2", "text_encoder_2", CLIPTextModelWithProjection),
        ),
        embedding="text_time",
        zero_empty=True,
        example="stabilityai/stable-diffusion-xl-base-1.0",
    )

    def __init__(self, config: StableDiffusionXLConfig, context: Context) -> None:
        super().__init__(config, context)
        self.towers[1].require_pooling()
        pooled = int(self.towers[1].encoder.config.projection_dim)
        given = pooled + TIME_IDS * self.unet.config.addition_time_embed_dim
        wanted = self.unet.config.projection_class_embeddings_input_dim
        if given != wanted:
            raise EmosymError(
                "diffusion.misfit",
                f"{config.model}: its UNet takes {wanted} numbers of pooled text and sizes, and would get {given}",
                hint="use components that were trained together; SDXL's refiner is not a head of its own",
            )

    def _encode(self, prompts: Sequence[str], vectors: Vectors | None) -> Condition:
        outputs = [
            tower(prompts, None if vectors is None else vectors[number], hidden_states=True)
            for number, tower in enumerate(self.towers)
        ]
        hidden = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
        side = float(self.image_size)
        sizes = torch.tensor([side, side, 0.0, 0.0, side, side], device=hidden.device)
        return Condition(hidden, outputs[1].text_embeds, {"time_ids": sizes.repeat(len(prompts), 1)})

    def _added(self, condition: Condition) -> dict[str, Tensor] | None:
        assert condition.pooled is not None
        return {
            "text_embeds": condition.pooled.to(self.unet.dtype),
            "time_ids": condition.extra["time_ids"].to(self.unet.dtype),
        }
