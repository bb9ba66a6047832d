"""What a head occupies, measured on the meta device: shapes without values, so any size fits anywhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from emosym_registry import EmosymError
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig

from emosym.contracts import Condition, Context, Footprint, Workload
from emosym.toolkit import LikeCuda, choose_dtype, embedded, known_folder, metered
from emosym_diffusion import adapter
from emosym_diffusion.autoencoder import pixels_per_latent
from emosym_diffusion.checks import picture_size
from emosym_diffusion.config import DiffusionConfig
from emosym_diffusion.families import Family, predict
from emosym_diffusion.folder import PipelineFolder
from emosym_diffusion.hardware import save_memory, set_attention

SIZES = Path(__file__).parent / "sizes"
KNOWN = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": SIZES / "sd15",
    "runwayml/stable-diffusion-v1-5": SIZES / "sd15",
    "stabilityai/stable-diffusion-xl-base-1.0": SIZES / "sdxl-base",
}
"""Hub ids whose configs are written down here, in folders like the hub's but without weights."""


@dataclass(frozen=True)
class Skeleton:
    """The parts of a head on the meta device, frozen but for the UNet's adapter."""

    family: Family
    unet: Any
    vae: Any
    encoders: tuple[Any, ...]

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.unet, self.vae, *self.encoders)


def measure(config: DiffusionConfig, context: Context, family: Family, load: Workload) -> Footprint | None:
    """What one step takes; None where the model is neither a local folder, nor in the local cache, nor known.

    Errors: ``diffusion.bad-size``.
    """
    opened = open_known(config, context, family)
    if opened is None:
        return None
    _, head = opened
    local = Path(context.model_path(config.model)).is_dir()
    size = picture_size(config, head.unet, head.vae)
    parameters = [parameter for part in head.parts for parameter in part.parameters()]
    encoders = list(enumerate(head.encoders, start=1))
    details = {
        "unet_parameters": _count(head.unet.parameters()),
        "vae_parameters": _count(head.vae.parameters()),
        **{f"text_encoder_{number}_parameters": _count(part.parameters()) for number, part in encoders},
        **{f"token_width_{number}": part.config.hidden_size for number, part in encoders},
        "image_width": size[0],
        "image_height": size[1],
    }
    checkpointing = config.gradient_checkpointing if load.checkpointing is None else load.checkpointing
    set_up(head, config, context, load, checkpointing)
    held, peak = _train(head, size, load) if load.gradients else (0, _sample(head, size, load))
    coded = _code(head, size, min(load.samples, config.decode_batch), load)
    return Footprint(
        source=config.model if local else f"{config.model}, as published",
        parameters=_count(parameters),
        trainable=_count(adapter.parameters(head.unet).values()),
        weight_bytes=sum(parameter.numel() * parameter.element_size() for parameter in parameters),
        held_bytes=held,
        peak_bytes=max(peak, coded),
        checkpointing=checkpointing,
        details=details,
    )


def open_known(config: DiffusionConfig, context: Context, family: Family) -> tuple[str, Skeleton] | None:
    """The folder of a head's configs, and its skeleton; None where none is at hand."""
    path = context.model_path(config.model)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what diffusers and the hub's client think of each other
            folder = path if Path(path).is_dir() else str(known_folder(path, KNOWN) or path)
            return folder, skeleton(folder, family, choose_dtype(config.dtype, context.dtype))
    except (EmosymError, OSError, ValueError):
        return None


def skeleton(path: str, family: Family, dtype: torch.dtype) -> Skeleton:
    """The parts of a pipeline folder's configs on the meta device."""
    folder = PipelineFolder(path, local_files_only=True)
    classes: tuple[Any, ...] = (UNet2DConditionModel, AutoencoderKL)
    with torch.device("meta"):
        unet, vae = (
            cls.from_config(folder.config(part, cls))
            for part, cls in zip(("unet", "vae"), classes, strict=True)
        )
        for tower in family.towers:
            folder.refuse_code(tower.encoder)
        encoders = tuple(
            tower.cls(AutoConfig.from_pretrained(path, subfolder=tower.encoder, local_files_only=True))
            for tower in family.towers
        )
    upcast = dtype == torch.float16 and vae.config.force_upcast
    for part in (unet, *encoders):
        nn.Module.to(part, dtype)
    nn.Module.to(vae, torch.float32 if upcast else dtype)
    for part in (unet, vae, *encoders):
        part.requires_grad_(False).eval()
    return Skeleton(family, unet, vae, encoders)


def set_up(
    head: Skeleton,
    config: DiffusionConfig,
    context: Context,
    load: Workload,
    checkpointing: bool,
    *,
    fused: bool = True,
) -> None:
    """Attach the UNet's adapter and set what a stage asks for, with attention ``fused`` or not."""
    if config.unet_lora is not None:
        with torch.device("meta"):
            adapter.add(head.unet, config.unet_lora, context.seed)
    for parameter in adapter.parameters(head.unet).values():
        parameter.requires_grad_(load.learns and load.gradients)
        # Gradients are counted with the optimiser; where there is one already, the pass adds to it in place.
        parameter.grad = torch.empty_like(parameter)
    set_attention(head.unet, "plain" if config.attention == "plain" else "sdpa")
    save_memory(head.vae, config)
    if checkpointing:
        head.unet.enable_gradient_checkpointing(
            partial(checkpoint, **LikeCuda(load.autocast, fused).checkpointing())
        )


def _train(head: Skeleton, size: tuple[int, int], load: Workload) -> tuple[int, int]:
    """Held bytes and peak of the denoising loss of ``load.samples`` pictures, back to the prompts'
    vectors."""
    with metered(load.autocast) as meter, torch.device("meta"):
        predicted = _predict(head, size, load.samples, gradients=True)
        loss = (predicted - torch.zeros_like(predicted)).square().mean()
        held = meter.now
        torch.autograd.backward(loss)
    return held, meter.peak


@torch.no_grad()
def _sample(head: Skeleton, size: tuple[int, int], load: Workload) -> int:
    """Peak of one denoising step with classifier-free guidance, both branches at once."""
    with metered(load.autocast) as meter, torch.device("meta"):
        _predict(head, size, 2 * load.samples, gradients=False)
    return meter.peak


@torch.no_grad()
def _code(head: Skeleton, size: tuple[int, int], batch: int, load: Workload) -> int:
    """Peak of the autoencoder over ``batch`` pictures: encoding them in training, decoding them in
    sampling."""
    vae, (width, height) = head.vae, size
    with metered(load.autocast) as meter, torch.device("meta"):
        if load.gradients:
            vae.encode(torch.zeros(batch, 3, height, width, dtype=vae.dtype))
        else:
            vae.decode(noise(vae.config.latent_channels, head, size, batch).to(vae.dtype))
    return meter.peak


def _predict(head: Skeleton, size: tuple[int, int], batch: int, gradients: bool) -> Tensor:
    """What the denoiser makes of noise and of prompts with one vector each."""
    return denoised(head, size, conditioned(head, size, batch, gradients))


def conditioned(head: Skeleton, size: tuple[int, int], batch: int, gradients: bool) -> Condition:
    """What the text encoders make of prompts with one vector each."""
    return head.family.condition([_encode(one, batch, gradients) for one in head.encoders], size)


def denoised(head: Skeleton, size: tuple[int, int], condition: Condition) -> Tensor:
    """What the UNet makes of noise."""
    batch = len(condition)
    noisy = noise(head.unet.config.in_channels, head, size, batch).to(head.unet.dtype)
    return predict(head.unet, noisy, torch.zeros(batch, dtype=torch.long), condition)


def noise(channels: int, head: Skeleton, size: tuple[int, int], batch: int) -> Tensor:
    """[batch, channels, h, w] at the size of latents of a picture of ``size``."""
    width, height = (side // pixels_per_latent(head.vae) for side in size)
    return torch.zeros(batch, channels, height, width)


def _encode(encoder: Any, batch: int, gradients: bool) -> Any:
    layer = encoder.get_input_embeddings()
    vectors = torch.zeros(batch, 1, layer.embedding_dim, requires_grad=gradients)
    slots = torch.arange(batch)[:, None], torch.ones(batch, 1, dtype=torch.long)
    ids = torch.zeros(batch, encoder.config.max_position_embeddings, dtype=torch.long)
    with embedded(layer, slots, vectors):
        return encoder(input_ids=ids, output_hidden_states=True)


def _count(parameters: Iterable[Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)
