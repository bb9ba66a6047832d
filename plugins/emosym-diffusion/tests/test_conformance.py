"""Both heads keep the promises of their kind, on their small embedded models."""

from __future__ import annotations

from emosym_diffusion.conformance import (
    StableDiffusion as TestStableDiffusion,  # noqa: F401
    StableDiffusionXL as TestStableDiffusionXL,  # noqa: F401
)
