"""The three backbones keep the promises of their kind, on their small embedded models."""

from __future__ import annotations

from emosym_vlm.conformance import (
    HFVLM as TestHFVLM,  # noqa: F401, N811
    Llava as TestLlava,  # noqa: F401
    QwenVL as TestQwenVL,  # noqa: F401
)
