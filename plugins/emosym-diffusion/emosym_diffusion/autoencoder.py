"""The frozen autoencoder between pixels and scaled latents."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def pixels_per_latent(vae: Any) -> int:
    """Along a side."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


class Autoencoder(nn.Module):
    """Encodes and decodes a few pictures at a time; the latents it speaks of are scaled as the denoiser wants
    them."""

    _mean: Tensor | None
    _std: Tensor | None

    def __init__(self, vae: Any, batch: int) -> None:
        super().__init__()
        self.vae = vae
        self._batch = batch
        config = vae.config
        self._scale = float(config.scaling_factor)
        self._shift = float(getattr(config, "shift_factor", None) or 0.0)
        # Some autoencoders (Playground's) whiten each channel.
        mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
        whitened = mean is not None and std is not None
        self.register_buffer(
            "_mean", torch.tensor(mean).view(1, -1, 1, 1) if whitened else None, persistent=False
        )
        self.register_buffer(
            "_std", torch.tensor(std).view(1, -1, 1, 1) if whitened else None, persistent=False
        )

    @property
    def channels(self) -> int:
        return int(self.vae.config.latent_channels)

    @torch.no_grad()
    def encode(self, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
        """Latents float32 of ``pixels`` [B,3,H,W] in [-1,1]: the posterior's mean, or a draw with
        ``generator``."""
        chunks = torch.split(pixels.to(self.vae.device, self.vae.dtype), self._batch)
        parts = [self._posterior(chunk, generator) for chunk in chunks]
        latents = torch.cat(parts).float()
        if self._mean is not None and self._std is not None:
            return (latents - self._mean) / self._std * self._scale
        return (latents - self._shift) * self._scale

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures float32 [B,3,H,W] in [0,1]."""
        latents = latents.to(self.vae.device).float() / self._scale
        if self._mean is not None and self._std is not None:
            latents = latents * self._std + self._mean
        else:
            latents = latents + self._shift
        chunks = torch.split(latents.to(self.vae.dtype), self._batch)
        pixels = torch.cat([self.vae.decode(chunk, return_dict=False)[0].float() for chunk in chunks])
        return (pixels / 2 + 0.5).clamp(0, 1).contiguous()

    def _posterior(self, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
        posterior = self.vae.encode(pixels).latent_dist
        mean: Tensor = posterior.mean
        if generator is None:
            return mean
        noise = torch.randn(mean.shape, generator=generator, device=generator.device)
        std: Tensor = posterior.std
        return mean + std * noise.to(mean)
