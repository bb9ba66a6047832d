"""What both heads share: loading, vectors in prompts, the denoising loss, sampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, cast

import torch
from emosym_registry import EmosymError
from torch import Tensor, nn

from emosym.contracts import (
    Condition,
    Context,
    DiffusionHead,
    Footprint,
    Operations,
    Vectors,
    Watcher,
    Workload,
)
from emosym.toolkit import Frozen, choose_dtype, detach_lora, hash_tensors, stamp
from emosym_diffusion import adapter, checks
from emosym_diffusion.autoencoder import Autoencoder, pixels_per_latent
from emosym_diffusion.config import GUIDANCE_SCALE, STEPS, DiffusionConfig
from emosym_diffusion.families import Family, join, moved, predict
from emosym_diffusion.folder import PipelineFolder
from emosym_diffusion.footprint import measure
from emosym_diffusion.hardware import place, tune
from emosym_diffusion.objective import training_objective
from emosym_diffusion.operations import count
from emosym_diffusion.safety import SafetyChecker
from emosym_diffusion.sampling import AfterStep, Predict, denoise, draw_noise, schedule, start
from emosym_diffusion.schedulers import fresh, sampling_scheduler
from emosym_diffusion.text import TextTower


class LatentDiffusion(Frozen, DiffusionHead[DiffusionConfig]):
    """A UNet in the latent space of an autoencoder, conditioned by frozen CLIP text encoders, any number of
    them.

    Everything is frozen and stays in eval mode, whatever mode the head is put in; a UNet LoRA is all that can
    train. Latents and the loss are float32 whatever the weights' precision.
    """

    family: ClassVar[Family]

    def __init__(self, config: DiffusionConfig, context: Context) -> None:
        super().__init__(config, context)
        folder = PipelineFolder(
            context.model_path(config.model),
            config.variant,
            config.local_files_only,
            choose_dtype(config.dtype, context.dtype),
        )
        index = checks.open_family(folder, self.family, own_vae=config.vae is None)
        self._defaults = folder.defaults()
        self._safety = SafetyChecker.of(folder, index, config)
        self._zero_empty = bool(index.get("force_zeros_for_empty_prompt", self.family.zero_empty))

        saved = folder.scheduler_config()
        self._objective = training_objective(saved, config.min_snr_gamma)
        self._scheduler = sampling_scheduler(saved, config.scheduler, config.scheduler_options)

        self.text = nn.ModuleList(
            TextTower(
                folder.text_encoder(part.encoder, part.cls), folder.tokenizer(part.tokenizer), part.encoder
            )
            for part in self.family.towers
        )
        self.autoencoder = Autoencoder(self._open_vae(folder), config.decode_batch)
        self.unet: Any = folder.unet()
        checks.check_fit(self.family, folder.path, self.unet, self.towers, self.autoencoder)
        self._size = checks.picture_size(config, self.unet, self.autoencoder.vae)
        self.requires_grad_(False)
        lora = config.unet_lora
        self.adapter_targets = [] if lora is None else adapter.add(self.unet, lora, context.seed)
        self.eval()
        tune(self.unet, self.autoencoder.vae, config, context.device)
        place(config, context, {"text": self.text, "unet": self.unet, "vae": self.autoencoder})
        self._empty: tuple[object, Condition] | None = None

    @classmethod
    def footprint(cls, config: DiffusionConfig, context: Context, load: Workload) -> Footprint | None:
        return measure(config, context, cls.family, load)

    @classmethod
    def operations(
        cls, config: DiffusionConfig, context: Context, load: Workload
    ) -> Mapping[str, Operations] | None:
        return count(config, context, cls.family, load)

    # Facts.

    @property
    def towers(self) -> tuple[TextTower, ...]:
        """The text encoders, in the order of ``token_widths``."""
        return tuple(cast(TextTower, tower) for tower in self.text)

    @property
    def token_widths(self) -> tuple[int, ...]:
        return tuple(tower.token_width for tower in self.towers)

    @property
    def image_size(self) -> tuple[int, int]:
        return self._size

    @property
    def token_norms(self) -> tuple[float, ...]:
        return tuple(tower.token_norm for tower in self.towers)

    @property
    def default_steps(self) -> int:
        """Sampling steps where a call names none: the spec's, the folder's, or the paper's."""
        return self.config.steps or self._defaults.steps or STEPS

    @property
    def default_guidance_scale(self) -> float:
        """Guidance where a call names none; 0 is a value of its own."""
        for value in (self.config.guidance_scale, self._defaults.guidance_scale):
            if value is not None:
                return value
        return GUIDANCE_SCALE

    @property
    def device(self) -> torch.device:
        """Where the UNet lies; a device map may put other parts elsewhere."""
        return torch.device(self.unet.device)

    # Conditions.

    def condition(self, vectors: Vectors | None, prompts: Sequence[str]) -> Condition:
        """Encode B prompts with ``vectors`` ([B,n,w] a text encoder) at their placeholder, None for plain
        prompts.

        Errors: ``diffusion.placeholder``, ``diffusion.unexpected-placeholder``,
        ``diffusion.prompt-too-long``, ``diffusion.bad-vectors``.
        """
        if vectors is not None and len(vectors) != len(self.text):
            raise EmosymError(
                "diffusion.bad-vectors",
                f"{self.family.name} has {len(self.text)} text encoders, got vectors for {len(vectors)}",
                hint="give one tensor [B,n,w] for each width in token_widths",
                ours=True,
            )
        given = vectors or (None,) * len(self.text)
        outputs = [tower(prompts, one) for tower, one in zip(self.towers, given, strict=True)]
        return moved(self.family.condition(outputs, self.image_size), self.device)

    def _unconditional(self, batch: int) -> Condition:
        """The empty prompt's condition, encoded once for the text encoders as they are."""
        made_with = (self.device, stamp(self.text.parameters()))
        if self._empty is None or self._empty[0] != made_with:
            empty = self.condition(None, [""])
            if self._zero_empty:
                pooled = None if empty.pooled is None else torch.zeros_like(empty.pooled)
                empty = Condition(torch.zeros_like(empty.hidden), pooled, empty.extra)
            self._empty = made_with, empty
        return self._empty[1][torch.zeros(batch, dtype=torch.long, device=self.device)]

    # Training.

    def latents(self, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        checks.check_pixels(pixels, self.image_size, "pixels")
        return self.autoencoder.encode(pixels, generator).to(self.device)

    def loss(
        self, latents: Tensor, condition: Condition, generator: torch.Generator, weights: Tensor | None = None
    ) -> Tensor:
        """Denoising loss [B], float32: mean squared error of what the folder's scheduler says the UNet
        predicts.

        Times and noise come from ``generator`` on its own device: a CPU generator gives the same on every
        device.
        """
        noised = self._objective.draw(latents.to(self.device), generator)
        predicted = predict(self.unet, noised.noisy, noised.times, condition)
        error = self.error(predicted, noised.target)
        checks.check_error(error, len(latents), type(self).__name__)
        error = error * noised.weight
        return error if weights is None else error * weights.to(error)

    def error(self, predicted: Tensor, target: Tensor) -> Tensor:
        """[B] from [B,c,h,w]: the mean squared error. A head with another loss overrides this."""
        return (predicted - target).square().mean(dim=(1, 2, 3))

    # Sampling.

    def sampling(self, steps: int | None = None, guidance_scale: float | None = None) -> dict[str, Any]:
        """Steps, guidance and the name of the scheduler."""
        return {
            "steps": self.default_steps if steps is None else steps,
            "guidance_scale": self.default_guidance_scale if guidance_scale is None else guidance_scale,
            "sampler": type(self._scheduler).__name__,
        }

    @torch.no_grad()
    def sample(
        self,
        condition: Condition,
        *,
        generators: Sequence[torch.Generator],
        steps: int | None = None,
        guidance_scale: float | None = None,
        init_image: Tensor | None = None,
        strength: float = 0.8,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        checks.check_sampling(len(condition), generators, init_image, strength, self.image_size)
        if init_image is not None and strength == 0:
            return (init_image.float() / 2 + 0.5).clamp(0, 1).to(self.device)
        scheduler = fresh(self._scheduler)
        count = self.default_steps if steps is None else steps
        times = schedule(scheduler, count, self.device, None if init_image is None else strength)
        width, height = (side // pixels_per_latent(self.autoencoder.vae) for side in self.image_size)
        noise = draw_noise(generators, (self.autoencoder.channels, height, width), self.device)
        pictures = None if init_image is None else self.latents(init_image)
        latents = start(scheduler, noise, times, pictures)
        scale = self.default_guidance_scale if guidance_scale is None else guidance_scale
        final = denoise(
            scheduler, self._guided(condition, scale), latents, times, generators, self._telling(on_step)
        )
        return self.autoencoder.decode(final).to(self.device)

    def screen(self, pictures: Tensor) -> Tensor:
        """What the model's own safety checker flags, [B]; nothing where it has none, or ``safety_checker`` is false."""
        return super().screen(pictures) if self._safety is None else self._safety(pictures)

    def _telling(self, on_step: Callable[[int, int], None] | None) -> AfterStep | None:
        """``on_step`` as a function that also takes latents, which a :class:`Watcher` sees as pictures."""
        if on_step is None:
            return None

        def told(done: int, total: int, latents: Tensor) -> None:
            on_step(done, total)
            if isinstance(on_step, Watcher) and on_step.wants(done, total):
                on_step.see(self.autoencoder.decode(latents))

        return told

    def _guided(self, condition: Condition, scale: float) -> Predict:
        """Classifier-free guidance (Ho and Salimans 2022) in one batch of both branches; none at 0 and 1."""
        if scale in (0.0, 1.0):
            return lambda latents, time: predict(self.unet, latents, time, condition)
        both = join(self._unconditional(len(condition)), condition)

        def guided(latents: Tensor, time: Tensor) -> Tensor:
            empty, wanted = predict(self.unet, torch.cat([latents, latents]), time, both).chunk(2)
            return empty + scale * (wanted - empty)

        return guided

    # Weights.

    def adapters(self) -> dict[str, nn.Parameter]:
        return adapter.parameters(self.unet)

    def merge(self) -> None:
        """Add what the UNet's LoRA learnt to the weights; afterwards there is none, and nothing trains."""
        self._drop_adapter(merge=True)

    def unload(self) -> None:
        """Drop the UNet's LoRA and what it learnt: the head is as its folder has it."""
        self._drop_adapter(merge=False)

    def _drop_adapter(self, *, merge: bool) -> None:
        detach_lora(self.unet, merge=merge)
        self.adapter_targets = []
        self.__dict__.pop("_base_hash", None)
        self.requires_grad_(False)

    def fingerprint(self) -> str:
        """sha256 of UNet, autoencoder and text encoders; the adapter's tensors are read anew each time."""
        own = self.adapter_state()
        return hash_tensors(own, start=self._base_hash) if own else self._base_hash

    def to(self, *args: Any, **kwargs: Any) -> LatentDiffusion:
        """As any module's, but parts that a device map has placed stay where they are, and the others with
        them."""
        return self if self.config.device_map else super().to(*args, **kwargs)

    @cached_property
    def _base_hash(self) -> str:
        parts: dict[str, nn.Module] = {"unet": self.unet, "vae": self.autoencoder.vae}
        parts |= {tower.name: tower.encoder for tower in self.towers}
        return hash_tensors(
            {
                f"{part}.{name}": value
                for part, module in parts.items()
                for name, value in adapter.base_state(module).items()
            }
        )

    # Setting up.

    def _open_vae(self, folder: PipelineFolder) -> Any:
        if self.config.vae is not None:
            path = self.context.model_path(self.config.vae)
            folder = PipelineFolder(path, self.config.variant, self.config.local_files_only, folder.dtype)
            folder.require(self.family.example)
        return folder.vae()
