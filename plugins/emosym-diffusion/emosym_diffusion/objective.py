"""What the denoiser is trained to predict, at random times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from emosym_registry import EmosymError
from torch import Tensor

from emosym.toolkit import drawn
from emosym_diffusion.schedulers import flow_shift, is_flow

PREDICTIONS = ("epsilon", "v_prediction", "sample")


@dataclass(frozen=True)
class Noised:
    """Latents at random times: ``noisy`` and ``target`` [B,c,h,w], ``times`` [B] as the denoiser takes them,
    and the loss ``weight`` [B] of each time."""

    noisy: Tensor
    target: Tensor
    times: Tensor
    weight: Tensor


class Objective(ABC):
    """Draws times and noise from the generator, on the generator's device, so that a CPU generator gives the
    same training on every device."""

    def __init__(self, times: int, gamma: float | None) -> None:
        self._times = times
        self._gamma = gamma

    def draw(self, latents: Tensor, generator: torch.Generator) -> Noised:
        """Noise ``latents`` [B,c,h,w], each to a time of its own."""
        where = generator.device
        rows, shape = len(latents), latents.shape[1:]
        index = drawn(
            lambda n: torch.randint(0, self._times, (n,), generator=generator, device=where), rows, generator
        )
        noise = drawn(
            lambda n: torch.randn(n, *shape, generator=generator, device=where, dtype=torch.float32),
            rows,
            generator,
        )
        return self.at(latents.float(), noise.to(latents.device), index.to(latents.device))

    @abstractmethod
    def at(self, latents: Tensor, noise: Tensor, index: Tensor) -> Noised:
        """Noise ``latents`` with ``noise`` to the times that ``index`` [B] names, 0 to T-1."""

    def _capped(self, snr: Tensor) -> Tensor:
        """min(SNR, γ): the weight that Min-SNR (Hang et al. 2023) gives to the error of the clean picture."""
        return snr.clamp(max=self._gamma)


class DiscreteObjective(Objective):
    """The DDPM family: x_t = √ᾱ x + √(1-ᾱ) ε, predicting ε, v = √ᾱ ε - √(1-ᾱ) x (Salimans and Ho 2022), or
    x."""

    def __init__(self, config: Mapping[str, Any], gamma: float | None) -> None:
        ddpm: Any = DDPMScheduler
        self._scheduler = ddpm.from_config(dict(config))
        self.prediction = str(self._scheduler.config.prediction_type)
        if self.prediction not in PREDICTIONS:
            raise EmosymError(
                "diffusion.unsupported-prediction",
                f"the model's scheduler says prediction_type {self.prediction!r}",
                hint=f"supported: {', '.join(PREDICTIONS)} and flow matching",
            )
        super().__init__(int(self._scheduler.config.num_train_timesteps), gamma)

    def at(self, latents: Tensor, noise: Tensor, index: Tensor) -> Noised:
        targets: Mapping[str, Callable[[], Tensor]] = {
            "epsilon": lambda: noise,
            "v_prediction": lambda: self._scheduler.get_velocity(latents, noise, index),
            "sample": lambda: latents,
        }
        noisy = self._scheduler.add_noise(latents, noise, index)
        return Noised(noisy, targets[self.prediction](), index, self._weight(index))

    def _weight(self, index: Tensor) -> Tensor:
        """Min-SNR on the picture's error, carried over to what is predicted; ones without γ."""
        if self._gamma is None:
            return torch.ones(len(index), device=index.device)
        kept: Tensor = self._scheduler.alphas_cumprod.to(index.device, torch.float32)[index]
        snr = kept / (1 - kept)
        if self.prediction == "sample":
            return self._capped(snr)
        if self.prediction == "v_prediction":
            return self._capped(snr) / (snr + 1)
        # min(SNR, γ)/SNR, which is 1 where the SNR is 0.
        return torch.clamp(self._gamma / snr, max=1.0)


class FlowObjective(Objective):
    """Flow matching (Lipman et al. 2023; Liu et al. 2023): x_σ = (1-σ) x + σ ε, predicting ε - x."""

    def __init__(self, config: Mapping[str, Any], gamma: float | None) -> None:
        euler: Any = FlowMatchEulerDiscreteScheduler
        times = int(config.get("num_train_timesteps", 1000))
        scheduler = euler(num_train_timesteps=times, shift=flow_shift(config))
        # They run from noise to picture; index 0 shall be the least noise, as in the DDPM family.
        self._sigmas, self._steps = scheduler.sigmas.flip(0).float(), scheduler.timesteps.flip(0).float()
        super().__init__(len(self._steps), gamma)

    def at(self, latents: Tensor, noise: Tensor, index: Tensor) -> Noised:
        sigma = self._sigmas.to(index.device)[index]
        mix = sigma[:, None, None, None]
        noisy = (1 - mix) * latents + mix * noise
        return Noised(noisy, noise - latents, self._steps.to(index.device)[index], self._weight(sigma))

    def _weight(self, sigma: Tensor) -> Tensor:
        """Min-SNR on the picture's error, which is σ times the velocity's."""
        if self._gamma is None:
            return torch.ones_like(sigma)
        return sigma.square() * self._capped(((1 - sigma) / sigma).square())


def training_objective(config: Mapping[str, Any], gamma: float | None) -> Objective:
    """The objective that a saved scheduler's config names."""
    if is_flow(config):
        return FlowObjective(config, gamma)
    if "beta_schedule" not in config and "trained_betas" not in config:
        raise EmosymError(
            "diffusion.unsupported-scheduler",
            f"the model's scheduler {config.get('_class_name')!r} is neither of the DDPM family "
            "nor flow matching",
            hint="choose a model that was trained with either",
        )
    return DiscreteObjective(config, gamma)
