"""Head ``sd``: Stable Diffusion 1.x and 2.x."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from transformers import CLIPTextModel

from emosym.contracts import Condition, Vectors
from emosym_diffusion.base import LatentDiffusion
from emosym_diffusion.checks import Family, Tower


class StableDiffusion(LatentDiffusion):
    """The denoiser sees the last hidden states, normed, of one CLIP text encoder."""

    family = Family(
        name="sd",
        towers=(Tower("tokenizer", "text_encoder", CLIPTextModel),),
        embedding=None,
        zero_empty=False,
        example="stable-diffusion-v1-5/stable-diffusion-v1-5",
    )

    def _encode(self, prompts: Sequence[str], vectors: Vectors | None) -> Condition:
        output = self.towers[0](prompts, None if vectors is None else vectors[0])
        return Condition(output.last_hidden_state)

    def _added(self, condition: Condition) -> dict[str, Tensor] | None:
        return None
