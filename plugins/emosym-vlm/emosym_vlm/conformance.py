"""What `emosym plugins check` runs for this plugin's backbones: their small embedded models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from emosym.testing import BackboneSuite

PARAMS: Mapping[str, Any] = {"model": "tiny"}


class QwenVL(BackboneSuite):
    """Backbone ``qwen-vl``."""

    component = "emosym-vlm/qwen-vl"
    params: ClassVar[Mapping[str, Any]] = PARAMS


class Llava(BackboneSuite):
    """Backbone ``llava``."""

    component = "emosym-vlm/llava"
    params: ClassVar[Mapping[str, Any]] = PARAMS


class HFVLM(BackboneSuite):
    """Backbone ``hf-vlm``."""

    component = "emosym-vlm/hf-vlm"
    params: ClassVar[Mapping[str, Any]] = PARAMS
