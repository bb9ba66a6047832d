"""What `emosym plugins check` runs for this plugin's heads: their small embedded models, with a UNet LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from emosym.testing import DiffusionSuite

PARAMS: Mapping[str, Any] = {"model": "tiny", "unet_lora": {"rank": 2}}


class StableDiffusion(DiffusionSuite):
    """Head ``sd``."""

    component = "emosym-diffusion/sd"
    params: ClassVar[Mapping[str, Any]] = PARAMS


class StableDiffusionXL(DiffusionSuite):
    """Head ``sdxl``."""

    component = "emosym-diffusion/sdxl"
    params: ClassVar[Mapping[str, Any]] = PARAMS
