"""Between pictures and tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor


def to_pixels(images: Sequence[Image.Image], size: tuple[int, int]) -> Tensor:
    """RGB pictures as [B,3,H,W] in [-1,1], for ``size`` (W, H): scaled to cover it, centre cropped."""
    fitted = (
        image if image.size == size else ImageOps.fit(image, size, Image.Resampling.LANCZOS)
        for image in images
    )
    arrays = [np.asarray(image) for image in fitted]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def to_image(pixels: Tensor) -> Image.Image:
    """One picture [3,H,W] in [0,1] as a PIL image."""
    array = pixels.detach().cpu().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(array)
