from .backbones import HFVLM as HFVLM, Llava as Llava, QwenVL as QwenVL
from .base import VisionLanguageBackbone as VisionLanguageBackbone
from .config import (
    AdapterConfig as AdapterConfig,
    BackboneConfig as BackboneConfig,
    HFVLMConfig as HFVLMConfig,
    LlavaConfig as LlavaConfig,
    QwenVLConfig as QwenVLConfig,
)
