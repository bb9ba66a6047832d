"""Textual inversion (Gal et al. 2022) with plain diffusers, after its own example script: one embedding learns, all else is
frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, StableDiffusionPipeline
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

PLACEHOLDER = "<emotion>"
PROMPT = f"a picture of {PLACEHOLDER}"


class Pictures(Dataset[Tensor]):
    """Files as squares [3,S,S] in [-1,1], again and again."""

    def __init__(self, paths: Sequence[Any], side: int, length: int) -> None:
        self.paths, self.side, self.length = paths, side, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, place: int) -> Tensor:
        if place >= self.length:
            raise IndexError(place)
        picture = Image.open(self.paths[place % len(self.paths)]).convert("RGB")
        small = picture.resize((self.side, self.side), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1).float().div(127.5).sub(1)


def steps_of(
    folder: Path,
    paths: Sequence[Any],
    batch: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    steps: int,
    workers: int,
) -> Callable[[], None]:
    """What takes one of at most ``steps`` training steps at a time, reading its pictures included."""
    pipe: Any = StableDiffusionPipeline.from_pretrained(
        folder, safety_checker=None, local_files_only=True, dtype=dtype
    )
    noises: Any = DDPMScheduler.from_config(pipe.scheduler.config)
    unet, vae, text, tokenizer = pipe.unet, pipe.vae, pipe.text_encoder, pipe.tokenizer
    tokenizer.add_tokens(PLACEHOLDER)
    if len(tokenizer) > text.config.vocab_size:
        text.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    for module in (unet, vae, text):
        module.requires_grad_(False)
    unet.to(device, memory_format=torch.channels_last)
    vae.to(device, memory_format=torch.channels_last)
    embeddings = text.to(device, torch.float32).get_input_embeddings().weight.requires_grad_(True)
    learnt = tokenizer.convert_tokens_to_ids(PLACEHOLDER)
    before = embeddings.detach().clone()
    optimizer = torch.optim.AdamW([embeddings], lr=5e-4)
    ids = tokenizer(
        [PROMPT] * batch, padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt"
    )
    ids = ids.input_ids.to(device)
    side = unet.config.sample_size * 2 ** (len(vae.config.block_out_channels) - 1)
    loader = DataLoader(
        Pictures(paths, side, batch * steps), batch, num_workers=workers, pin_memory=device.type == "cuda"
    )
    pictures: Iterator[Tensor] = iter(loader)

    def step() -> None:
        pixels = next(pictures).to(device, dtype, non_blocking=True)
        with torch.no_grad():
            latents = vae.encode(pixels).latent_dist.sample() * vae.config.scaling_factor
        noise = torch.randn_like(latents)
        times = torch.randint(noises.config.num_train_timesteps, (batch,), device=device)
        noisy = noises.add_noise(latents, noise, times)
        velocity = noises.config.prediction_type == "v_prediction"
        target = noises.get_velocity(latents, noise, times) if velocity else noise
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            predicted = unet(noisy, times, text(ids)[0]).sample
        F.mse_loss(predicted.float(), target.float()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():  # AdamW decays all of the vocabulary
            others = torch.arange(len(before), device=device) != learnt
            embeddings[others] = before[others]

    return step
