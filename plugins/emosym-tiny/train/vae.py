"""The autoencoder both diffusion models share: 64x64 pictures as 8x8 latents of 16 channels.

``python -m train.vae`` trains, measures and saves it; an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from train.figures import parameters
from train.loop import WORK, fit
from train.records import record, trained
from train.renders import Renders, held_out_renders, train_renders

SEED, STEPS, BATCH = 20_240_300, 2_800, 16
CHANNELS, PATCH = 16, 8
LOG_VARIANCE = -6.0
"""Where the posterior starts: at zero its noise would drown the latents before they say anything."""
FOLDER, LATENTS = WORK / "vae", WORK / "latents.pt"


def build() -> AutoencoderKL:
    """An untrained autoencoder; the full-resolution level is narrow because it costs most of the time."""
    torch.manual_seed(SEED)
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
        rows = self._patches(renders.images(np.arange(sample))).permute(0, 2, 3, 1).flatten(0, 2)
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


def _slopes(pictures: Tensor) -> tuple[Tensor, Tensor]:
    return pictures.diff(dim=2), pictures.diff(dim=3)


def _edges(made: Tensor, real: Tensor) -> Tensor:
    return sum((F.l1_loss(a, b) for a, b in zip(_slopes(made), _slopes(real), strict=True)), torch.zeros(()))


@torch.no_grad()
def decibels(vae: AutoencoderKL, renders: Renders, count: int = 500) -> float:
    """Mean peak signal-to-noise ratio of reconstructions from the posterior's mean."""
    values = []
    for index in np.array_split(np.arange(count), count // 50):
        pictures = renders.images(index).contiguous(memory_format=torch.channels_last)
        made = vae.decode(vae.encode(pictures).latent_dist.mean).sample.clamp(-1, 1)
        values.append(-10 * ((made - pictures) / 2).square().mean((1, 2, 3)).log10())
    return float(torch.cat(values).mean())


@torch.no_grad()
def latents(vae: AutoencoderKL, renders: Renders) -> Tensor:
    """Scaled posterior means [N,16,8,8] in half precision."""
    parts = []
    for index in np.array_split(np.arange(len(renders)), max(1, len(renders) // 100)):
        pictures = renders.images(index).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mean = vae.encode(pictures).latent_dist.mean.float()
        parts.append((mean * vae.config.scaling_factor).half())
    return torch.cat(parts)


def train(steps: int) -> AutoencoderKL:
    """Reconstruction with a component-matching term that fades in the first half."""
    renders, held_out = train_renders(), held_out_renders()
    vae, components = build(), PatchComponents(renders)

    def loss(
        step: int, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        pictures = renders.images(renders.batch(BATCH, rng)).contiguous(memory_format=torch.channels_last)
        posterior = vae.encode(pictures).latent_dist
        mean = posterior.mean.float()
        noise = torch.randn(mean.shape, generator=generator)
        made = vae.decode(mean + posterior.std.float() * noise).sample.float()
        mse, l1, edges = F.mse_loss(made, pictures), F.l1_loss(made, pictures), _edges(made, pictures)
        match = F.mse_loss(mean, components(pictures))
        kl = posterior.kl().mean() / mean[0].numel()
        fade = max(0.02, 1.0 - step / (0.4 * steps))
        total = l1 + 2.0 * mse + 0.5 * edges + 0.5 * fade * match + 1e-4 * kl
        logs = {"mse": mse, "l1": l1, "edges": edges, "match": match, "kl": kl}
        return total, {name: value.item() for name, value in logs.items()}

    fit("vae", vae, loss, steps=steps, lr=2.5e-3, seed=SEED, ema=0.995, weight_decay=1e-3,
        evaluate=lambda: {"psnr": decibels(vae, held_out, 100)}, evaluate_every=300)  # fmt: skip
    return vae


@torch.no_grad()
def standardize(vae: AutoencoderKL, renders: Renders, count: int = 4_000) -> None:
    """Set the scaling factor from measured latents; the pipelines know no shift, and the means are near zero."""
    vae.register_to_config(scaling_factor=1.0)
    sample = Renders(renders.pixels[:count], renders.attributes[:count])
    measured = latents(vae, sample).float()
    vae.register_to_config(scaling_factor=round(1.0 / float(measured.std()), 5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    steps = parser.parse_args().steps
    vae = train(steps)
    standardize(vae, train_renders())
    vae.half().float().save_pretrained(FOLDER)
    LATENTS.unlink(missing_ok=True)
    record(
        "vae",
        command="python -m train.vae",
        **trained("vae"),
        batch=BATCH,
        seed=SEED,
        parameters=parameters(vae),
        psnr_held_out=round(decibels(vae, held_out_renders()), 2),
        scaling_factor=vae.config.scaling_factor,
    )


if __name__ == "__main__":
    main()
