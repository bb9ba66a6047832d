"""Between pictures and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emosym.contracts import ImageSource, Sample


def as_sample(number: int, image: ImageSource | str | Sample) -> Sample:
    """A picture in whatever form as a sample: a path names itself, other pictures are numbered."""
    if isinstance(image, Sample):
        return image
    if isinstance(image, (str, Path)):
        return Sample(str(image), (Path(image),))
    return Sample(f"image-{number}", (image,))


def to_pixels(images: Sequence[Any], size: int) -> Tensor:
    """PIL images as [B,3,size,size] in [-1,1]: shorter side resized, centre cropped."""
    import numpy as np
    from PIL import Image, ImageOps

    arrays = [
        np.asarray(
            ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
            if image.size != (size, size)
            else image
        )
        for image in images
    ]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def to_image(pixels: Tensor) -> Any:
    """One picture [3,H,W] in [0,1] as a PIL image."""
    from PIL import Image

    array = pixels.detach().cpu().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(array)
