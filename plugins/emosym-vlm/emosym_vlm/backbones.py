"""The three backbones: one base, told apart by the families they accept."""

from __future__ import annotations

from emosym_vlm.base import VisionLanguageBackbone
from emosym_vlm.lines import LINES


class QwenVL(VisionLanguageBackbone):
    """Qwen's vision-language models: images at their own size, multimodal rotary positions."""

    families = LINES["qwen-vl"]


class Llava(VisionLanguageBackbone):
    """The LLaVA line: a vision tower, a projector and any language model."""

    families = LINES["llava"]


class HFVLM(VisionLanguageBackbone):
    """Whatever AutoModelForImageTextToText loads and whose forward takes ready image features."""
