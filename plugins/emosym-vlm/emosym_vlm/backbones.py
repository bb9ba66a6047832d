"""The three backbones: one base, told apart by the families they accept."""

from __future__ import annotations

from emosym_vlm.base import VisionLanguageBackbone


class QwenVL(VisionLanguageBackbone):
    """Qwen's vision-language models: images at their own size, multimodal rotary positions."""

    families = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


class Llava(VisionLanguageBackbone):
    """The LLaVA line: a vision tower, a projector and any language model."""

    families = ("llava", "llava_next", "llava_onevision")


class HFVLM(VisionLanguageBackbone):
    """Whatever AutoModelForImageTextToText loads and whose forward takes ready image features."""
