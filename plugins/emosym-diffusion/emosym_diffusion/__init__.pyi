from .base import LatentDiffusion as LatentDiffusion
from .config import (
    DiffusionConfig as DiffusionConfig,
    StableDiffusionConfig as StableDiffusionConfig,
    StableDiffusionXLConfig as StableDiffusionXLConfig,
)
from .families import Family as Family, Tower as Tower
from .sd import StableDiffusion as StableDiffusion
from .sdxl import StableDiffusionXL as StableDiffusionXL
