"""The three backbones keep the promises of their kind, on their small embedded models."""

from __future__ import annotations

from emosym_vlm.conformance import HFVLM as TestHFVLM  # noqa: F401, N811
from emosym_vlm.conformance import Llava as TestLlava  # noqa: F401
from emosym_vlm.conformance import QwenVL as TestQwenVL  # noqa: F401
