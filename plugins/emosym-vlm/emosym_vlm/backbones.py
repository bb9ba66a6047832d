"""The three backbones: one base, told apart by the families they accept."""

from __future__ import annotations

import torch
from emosym_registry import EmosymError
from PIL import Image

from emosym.contracts import Context, Sample
from emosym_vlm.base import VisionLanguageBackbone
from emosym_vlm.config import HFVLMConfig, LlavaConfig, QwenVLConfig
from emosym_vlm.loading import LINES

TOLERANCE = 2e-2
"""Largest relative difference of states that rounding makes, in bfloat16 too."""


class QwenVL(VisionLanguageBackbone[QwenVLConfig]):
    """Qwen's vision-language models: images at their own size, multimodal rotary positions."""

    families = LINES["qwen-vl"]


class Llava(VisionLanguageBackbone[LlavaConfig]):
    """The LLaVA line: a vision tower, a projector and any language model."""

    families = LINES["llava"]


class HFVLM(VisionLanguageBackbone[HFVLMConfig]):
    """Whatever AutoModelForImageTextToText loads and whose forward takes ready image features.

    A family that nobody has looked at may not be causal, so each model is tested once it is loaded: see :meth:`self_test`.
    """

    def __init__(self, config: HFVLMConfig, context: Context) -> None:
        super().__init__(config, context)
        if config.self_test:
            self.self_test()

    @torch.no_grad()
    def self_test(self) -> None:
        """Read one small picture three times: the state of a token must not depend on the tokens after it, and reading a
        prefix must give what one pass gives.

        Errors: ``backbone.not-causal`` (a prefix-LM such as PaliGemma), ``backbone.read-differs``.
        """
        samples = [Sample("self-test", (Image.new("RGB", (64, 64), (200, 120, 40)),))]
        mean, deviation = self.typical_embedding()
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(2, 2, self.hidden_size, generator=generator)
        first, second = (mean + deviation * noise.to(mean)).to(self.device).split(1)
        changed = torch.cat([first[:, :1], second[:, 1:]], 1)  # another last token behind the same first
        whole, other = self(samples, first), self(samples, changed)
        kind = self.model.config.model_type
        if _differ(whole[:, 0], other[:, 0]):
            raise EmosymError(
                "backbone.not-causal",
                f"{self.config.model}: in a {kind!r} model the state of a token depends on tokens that follow it, so reasoning "
                "tokens cannot end its prompt",
                hint="choose another model; a backbone of its own can read this family: emosym plugins new NAME --kind backbone",
            )
        if self.shares_prefixes and _differ(whole, self.read(self.encode(samples), first)):
            raise EmosymError(
                "backbone.read-differs",
                f"{self.config.model}: reading after an encoded prompt gives other states than one pass does ({kind!r} model)",
                hint="report the model; to look closer: emosym plugins check hf-vlm --param model=DIR --param self_test=false",
            )


def _differ(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether states differ by more than rounding."""
    return bool((first - second).float().norm() > TOLERANCE * first.float().norm())
