"""Head ``sd``: Stable Diffusion 1.x and 2.x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import CLIPTextModel

from emosym.contracts import Condition
from emosym_diffusion.base import LatentDiffusion
from emosym_diffusion.families import Family, Tower


def last_states(outputs: Sequence[Any], size: tuple[int, int]) -> Condition:
    """The last hidden states, normed; nothing of the pictures' size."""
    return Condition(outputs[0].last_hidden_state)


class StableDiffusion(LatentDiffusion):
    """The denoiser sees the last hidden states, normed, of one CLIP text encoder."""

    family = Family(
        name="sd",
        towers=(Tower("tokenizer", "text_encoder", CLIPTextModel),),
        embedding=None,
        zero_empty=False,
        example="stable-diffusion-v1-5/stable-diffusion-v1-5",
        condition=last_states,
    )
