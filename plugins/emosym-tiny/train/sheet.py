"""Contact sheets: ``python -m train.sheet sd`` draws each scene with each object; ``vae`` shows reconstructions."""

from __future__ import annotations

import argparse

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, StableDiffusionXLPipeline
from emosym_tiny.world.distribution import Attributes
from emosym_tiny.world.language import full_caption
from emosym_tiny.world.vocabulary import OBJECTS, SCENES
from PIL import Image
from torch import Tensor

from train import vae
from train.figures import WEIGHTS
from train.loop import WORK
from train.pipelines import sample
from train.renders import held_out_renders


def sheet(pictures: Tensor, columns: int, scale: int = 2) -> Image.Image:
    """Pictures [N,3,H,W] in [0,1] in rows of ``columns``, without gaps."""
    count, width = len(pictures), pictures.shape[-1]
    grid = pictures.unflatten(0, (count // columns, columns)).permute(0, 3, 1, 4, 2)
    pixels = grid.flatten(2, 3).flatten(0, 1).clamp(0, 1).mul(255).round().byte().numpy()
    return Image.fromarray(pixels).resize(
        (columns * width * scale, pixels.shape[0] * scale), Image.Resampling.NEAREST
    )


def combinations() -> list[Attributes]:
    """Each scene with each object, light and colours changing from one to the next."""
    values = (0.15, 0.5, 0.85)
    return [
        Attributes(scene, thing, values[(scene + thing) % 3], values[(scene + 2 * thing + 1) % 3])
        for scene in range(len(SCENES))
        for thing in range(len(OBJECTS))
    ]


@torch.no_grad()
def reconstructions(count: int = 42) -> Tensor:
    """Rows of held-out pictures, each followed by the row of their reconstructions."""
    model = AutoencoderKL.from_pretrained(vae.FOLDER, torch_dtype=torch.float32).eval()
    real = held_out_renders().images(np.arange(count))
    made = model.decode(model.encode(real).latent_dist.mean).sample
    rows = torch.stack([real.unflatten(0, (-1, len(OBJECTS))), made.unflatten(0, (-1, len(OBJECTS)))], dim=1)
    return (rows.flatten(0, 2) + 1) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sd", "sdxl", "vae"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.what == "vae":
        pictures = reconstructions()
    else:
        kind = StableDiffusionPipeline if options.what == "sd" else StableDiffusionXLPipeline
        pipe = kind.from_pretrained(WEIGHTS / options.what, torch_dtype=torch.float32)
        pictures = sample(pipe, [full_caption(item) for item in combinations()], options.seed)
    path = WORK / f"sheet-{options.what}.png"
    sheet(pictures, len(OBJECTS)).save(path)
    print(path)


if __name__ == "__main__":
    main()
