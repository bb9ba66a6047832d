"""The autoencoder's decoder, trained on until pictures are crisp: the encoder, and so every latent, stays what it was.

Absolute errors alone make a decoder paint the mean of all details that a latent may stand for, which is a blur. So a small
discriminator of patches joins in halfway, weighed by the gradients at the last layer, as in taming transformers
(arXiv 2012.09841, equation 7).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn

from train import vae
from train.figures import WEIGHTS, parameters, write_figures
from train.loop import Losses, Recipe, Step, fit
from train.renders import Renders, held_out_renders, train_renders

RECIPES = {
    "decoder": Recipe("decoder", 20_240_310, steps=5_000, batch=16, lr=1e-3, ema=0.998, evaluate_every=300)
}
JOINS, SHARE = 0.5, 0.4
"""When the discriminator joins in, and its share of the reconstruction's gradient."""


class PatchDiscriminator(nn.Sequential):
    """Pictures [B,3,64,64] to real or made, by patch [B,1,7,7]."""

    def __init__(self, width: int = 24) -> None:
        normed = nn.utils.spectral_norm
        layers: list[nn.Module] = []
        before = 3
        for after in (width, 2 * width, 4 * width):
            layers += [normed(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
            before = after
        super().__init__(*layers, normed(nn.Conv2d(before, 1, 4, padding=1)))


def sharpness(model: AutoencoderKL, renders: Renders, count: int) -> float:
    """Mean slope of reconstructions over that of the pictures: one is as crisp as they are."""
    index = np.arange(count)
    pictures = renders.images(index)
    with torch.no_grad():
        made = model.decode(model.encode(pictures).latent_dist.mean).sample.clamp(-1, 1)
    mine, theirs = (sum(float(part.abs().mean()) for part in vae.slopes(one)) for one in (made, pictures))
    return mine / theirs


def train(recipe: Recipe) -> None:
    """Train decoder and discriminator on the encoder's means, and write the autoencoder into every pipeline that has it."""
    renders, held_out = train_renders(), held_out_renders()
    model = AutoencoderKL.from_pretrained(vae.FOLDER, torch_dtype=torch.float32)
    model.to(memory_format=torch.channels_last)
    latents = vae.cached_latents(model, renders)
    torch.manual_seed(recipe.seed)
    critic = PatchDiscriminator()
    learns = nn.ModuleDict({"decoder": model.decoder, "quant": model.post_quant_conv, "critic": critic})
    deviation = float(model.config.scaling_factor) * np.exp(vae.LOG_VARIANCE / 2)

    def losses(step: Step) -> Losses:
        index = renders.batch(recipe.batch, step.rng)
        pictures = vae.images(renders, index)
        known = latents[torch.from_numpy(index)].float()
        # Painted latents are never quite those of an encoder.
        known = known + 0.5 * deviation * torch.randn(known.shape, generator=step.generator)
        made = model.decode(known / model.config.scaling_factor).sample.float()
        l1, mse, edges = F.l1_loss(made, pictures), F.mse_loss(made, pictures), vae.edges(made, pictures)
        drawn = l1 + mse + 0.5 * edges
        if step.number < JOINS * recipe.steps:
            return {"loss": drawn, "l1": l1, "mse": mse, "edges": edges}
        critic.requires_grad_(False)
        fooled = -critic(made).float().mean()
        critic.requires_grad_(True)
        last = model.decoder.conv_out.weight
        norms = [torch.autograd.grad(one, last, retain_graph=True)[0].norm() for one in (drawn, fooled)]
        weight = (SHARE * norms[0] / (norms[1] + 1e-6)).clamp(max=10.0).detach()
        real, fake = critic(pictures).float(), critic(made.detach()).float()
        seen = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        # The critic learns three times as fast, from its own term alone.
        total = drawn + weight * fooled + 3.0 * seen
        return {"loss": total, "l1": l1, "mse": mse, "edges": edges, "fooled": fooled, "seen": seen}

    def measure(count: int) -> dict[str, float]:
        return {"psnr": vae.decibels(model, held_out, count), "sharpness": sharpness(model, held_out, count)}

    fit(recipe, learns, losses, lambda: measure(100))
    halves = model.half().float().to(memory_format=torch.contiguous_format)
    halves.save_pretrained(vae.FOLDER)
    for folder in WEIGHTS.glob("sd*"):
        half = AutoencoderKL.from_pretrained(vae.FOLDER, torch_dtype=torch.float16)
        kept = (folder / "vae" / "config.json").read_bytes()
        half.save_pretrained(folder / "vae")
        (folder / "vae" / "config.json").write_bytes(kept)
    found = {name: round(value, 4) for name, value in measure(500).items()}
    write_figures(recipe, parameters=parameters(model.decoder), held_out=found)
