"""The autoencoder both diffusion models share: 64x64 pictures as 8x8 latents of 16 channels."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from train.figures import parameters, write_figures
from train.loop import WORK, Losses, Recipe, Step, fit
from train.renders import Renders, held_out_renders, train_renders

RECIPES = {
    "vae": Recipe(
        "vae", 20_240_300, steps=2_800, batch=16, lr=2.5e-3, weight_decay=1e-3, ema=0.995, evaluate_every=300
    )
}
CHANNELS, PATCH = 16, 8
LOG_VARIANCE = -6.0
"""Where the posterior starts: at zero its noise would drown the latents before they say anything."""
FOLDER, LATENTS = WORK / "vae", WORK / "latents.pt"


def build() -> AutoencoderKL:
    """An untrained autoencoder; the full-resolution level is narrow because it costs most of the time."""
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 48, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=4,
        sample_size=64,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        vae.quant_conv.weight[CHANNELS:] = 0.0
        vae.quant_conv.bias[CHANNELS:] = LOG_VARIANCE
    return vae.to(memory_format=torch.channels_last)


class PatchComponents(nn.Module):
    """The first principal components of 8x8 patches: smooth latents that the encoder starts out toward."""

    def __init__(self, renders: Renders, sample: int = 3_000) -> None:
        super().__init__()
        rows = self._patches(renders[:sample].images()).permute(0, 2, 3, 1).flatten(0, 2)
        mean = rows.mean(0)
        values, vectors = torch.linalg.eigh(torch.cov((rows - mean).T))
        deviation, basis = values[-CHANNELS:].flip(0).sqrt(), vectors[:, -CHANNELS:].flip(1)
        # Half-whitened: fully whitened latents spend the diffusion model on detail, plain ones hide it.
        scaled = basis / deviation.sqrt()
        scaled = scaled / ((rows - mean) @ scaled).std()
        self.register_buffer("mean", mean[None, :, None, None])
        self.register_buffer("weight", scaled.T.contiguous()[:, :, None, None])

    @staticmethod
    def _patches(images: Tensor) -> Tensor:
        return F.pixel_unshuffle(images, PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """Components [B,16,8,8] of images [B,3,64,64]."""
        return F.conv2d(self._patches(images) - self.mean, self.weight)


def slopes(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Differences [B,3,H-1,W] and [B,3,H,W-1] of neighbouring pixels."""
    return pictures.diff(dim=2), pictures.diff(dim=3)


def edges(made: Tensor, real: Tensor) -> Tensor:
    """Mean absolute error of the slopes."""
    return sum((F.l1_loss(a, b) for a, b in zip(slopes(made), slopes(real), strict=True)), torch.zeros(()))


def images(renders: Renders, index: np.ndarray) -> Tensor:
    """Pictures [B,3,64,64] as convolutions like them."""
    return renders.images(index).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def decibels(vae: AutoencoderKL, renders: Renders, count: int) -> float:
    """Mean peak signal-to-noise ratio of reconstructions from the posterior's mean."""
    values = []
    for index in np.array_split(np.arange(count), count // 50):
        pictures = images(renders, index)
        made = vae.decode(vae.encode(pictures).latent_dist.mean).sample.clamp(-1, 1)
        values.append(-10 * ((made - pictures) / 2).square().mean((1, 2, 3)).log10())
    return float(torch.cat(values).mean())


@torch.no_grad()
def latents(vae: AutoencoderKL, renders: Renders) -> Tensor:
    """Scaled posterior means [N,16,8,8] in half precision."""
    parts = []
    for index in np.array_split(np.arange(len(renders)), max(1, len(renders) // 100)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mean = vae.encode(images(renders, index)).latent_dist.mean.float()
        parts.append((mean * vae.config.scaling_factor).half())
    return torch.cat(parts)


def cached_latents(vae: AutoencoderKL, renders: Renders) -> Tensor:
    """The same of all training pictures, kept in a file."""
    if not LATENTS.exists():
        torch.save(latents(vae, renders), LATENTS)
    return torch.load(LATENTS, weights_only=True)


def _standardize(vae: AutoencoderKL, renders: Renders) -> None:
    """Set the scaling factor from latents; the pipelines know no shift, and the means are near zero."""
    vae.register_to_config(scaling_factor=1.0)
    vae.register_to_config(scaling_factor=round(1.0 / float(latents(vae, renders).float().std()), 5))


def train(recipe: Recipe) -> None:
    """Reconstruction with a component-matching term that fades in the first half; then measure and save."""
    renders, held_out = train_renders(), held_out_renders()
    vae, components = build(), PatchComponents(renders)

    def losses(step: Step) -> Losses:
        pictures = images(renders, renders.batch(recipe.batch, step.rng))
        posterior = vae.encode(pictures).latent_dist
        mean = posterior.mean.float()
        noise = torch.randn(mean.shape, generator=step.generator)
        made = vae.decode(mean + posterior.std.float() * noise).sample.float()
        mse, l1, lines = F.mse_loss(made, pictures), F.l1_loss(made, pictures), edges(made, pictures)
        match = F.mse_loss(mean, components(pictures))
        kl = posterior.kl().mean() / mean[0].numel()
        fade = max(0.02, 1.0 - step.number / (0.4 * recipe.steps))
        total = l1 + 2.0 * mse + 0.5 * lines + 0.5 * fade * match + 1e-4 * kl
        return {"loss": total, "mse": mse, "l1": l1, "edges": lines, "match": match, "kl": kl}

    fit(recipe, vae, losses, lambda: {"psnr": decibels(vae, held_out, 100)})
    _standardize(vae, renders[:4_000])
    vae.half().float().save_pretrained(FOLDER)
    LATENTS.unlink(missing_ok=True)
    psnr, factor = round(decibels(vae, held_out, 500), 2), vae.config.scaling_factor
    write_figures(recipe, parameters=parameters(vae), psnr_held_out=psnr, scaling_factor=factor)
