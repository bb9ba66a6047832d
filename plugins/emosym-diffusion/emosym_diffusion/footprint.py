"""What a head occupies, measured on the meta device: shapes without values, so any size fits anywhere."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
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

from emosym.contracts import Context, Footprint, Workload
from emosym.toolkit.metering import LikeCuda, metered
from emosym.toolkit.weights import known_folder
from emosym_diffusion import adapter
from emosym_diffusion.checks import Family
from emosym_diffusion.config import DiffusionConfig
from emosym_diffusion.folder import PipelineFolder
from emosym_diffusion.placing import choose_dtype
from emosym_diffusion.tuning import set_attention

SIZES = Path(__file__).parent / "sizes"
KNOWN = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": SIZES / "sd15",
    "runwayml/stable-diffusion-v1-5": SIZES / "sd15",
    "stabilityai/stable-diffusion-xl-base-1.0": SIZES / "sdxl-base",
}
"""Hub ids whose configs are written down here, in folders like the hub's but without weights."""
TIME_IDS = 6


@dataclass(frozen=True)
class Skeleton:
    """The parts of a head on the meta device, frozen but for the UNet's adapter."""

    unet: Any
    vae: Any
    encoders: tuple[Any, ...]

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.unet, self.vae, *self.encoders)

    @property
    def factor(self) -> int:
        """Pixels to one latent, along a side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def side(self) -> int:
        """Latents along a side, of the pictures that the denoiser was trained for."""
        size = self.unet.config.sample_size
        return int(size[0] if isinstance(size, (list, tuple)) else size)


def measure(config: DiffusionConfig, context: Context, family: Family, load: Workload) -> Footprint | None:
    """What one step takes; None where the model is neither a local folder, nor in the local cache, nor known."""
    path = context.model_path(config.model)
    local = Path(path).is_dir()
    dtype = choose_dtype(config, context)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what diffusers and the hub's client think of each other
            head = skeleton(path if local else str(known_folder(path, KNOWN) or path), family, dtype)
    except (EmosymError, OSError, ValueError):
        return None
    parameters = [parameter for part in head.parts for parameter in part.parameters()]
    base = sum(parameter.numel() for parameter in parameters)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
    _set_up(head, config, context, load)
    side = config.image_size // head.factor if config.image_size else head.side
    held, peak = _train(head, side, load) if load.gradients else (0, _sample(head, side, load))
    coded = _code(head, side, min(load.samples, config.decode_batch), load)
    return Footprint(
        source=config.model if local else f"{config.model}, as published",
        parameters=base,
        trainable=sum(parameter.numel() for parameter in adapter.parameters(head.unet).values()),
        weight_bytes=weights,
        held_bytes=held,
        peak_bytes=max(peak, coded),
        details={
            "unet_parameters": _count(head.unet) - _count_adapter(head.unet),
            "vae_parameters": _count(head.vae),
            **{f"text_encoder_{i}_parameters": _count(part) for i, part in enumerate(head.encoders, start=1)},
            **{f"token_width_{i}": part.config.hidden_size for i, part in enumerate(head.encoders, start=1)},
            "image_size": side * head.factor,
        },
    )


def skeleton(path: str, family: Family, dtype: torch.dtype) -> Skeleton:
    """The parts of a pipeline folder's configs on the meta device."""
    folder = PipelineFolder(path, local_files_only=True)
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(folder.config("unet", UNet2DConditionModel))
        vae = AutoencoderKL.from_config(folder.config("vae", AutoencoderKL))
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
    return Skeleton(unet, vae, encoders)


def _set_up(head: Skeleton, config: DiffusionConfig, context: Context, load: Workload) -> None:
    if config.unet_lora is not None:
        with torch.device("meta"):
            adapter.add(head.unet, config.unet_lora, context.seed)
    for parameter in adapter.parameters(head.unet).values():
        parameter.requires_grad_(load.learns and load.gradients)
        # Gradients are counted with the optimiser; where there is one already, the pass adds to it in place.
        parameter.grad = torch.empty_like(parameter)
    set_attention(head.unet, "plain" if config.attention == "plain" else "sdpa")
    if config.vae_slicing:
        head.vae.enable_slicing()
    if config.vae_tiling:
        head.vae.enable_tiling()
    if config.gradient_checkpointing:
        head.unet.enable_gradient_checkpointing(
            partial(checkpoint, **LikeCuda(load.autocast).checkpointing())
        )


def _train(head: Skeleton, side: int, load: Workload) -> tuple[int, int]:
    """Held bytes and peak of the denoising loss of ``load.samples`` pictures, back to the prompts' vectors."""
    with metered(load.autocast) as meter, torch.device("meta"):
        hidden, added = _condition(head, load.samples, gradients=True)
        predicted = _predict(head, load.samples, side, hidden, added)
        loss = (predicted - torch.zeros_like(predicted)).square().mean()
        held = meter.now
        torch.autograd.backward(loss)
    return held, meter.peak


@torch.no_grad()
def _sample(head: Skeleton, side: int, load: Workload) -> int:
    """Peak of one denoising step with classifier-free guidance, both branches at once."""
    with metered(load.autocast) as meter, torch.device("meta"):
        hidden, added = _condition(head, 2 * load.samples, gradients=False)
        _predict(head, 2 * load.samples, side, hidden, added)
    return meter.peak


@torch.no_grad()
def _code(head: Skeleton, side: int, batch: int, load: Workload) -> int:
    """Peak of the autoencoder over ``batch`` pictures: encoding them in training, decoding them in sampling."""
    shape = (3, side * head.factor) if load.gradients else (head.vae.config.latent_channels, side)
    with metered(load.autocast) as meter, torch.device("meta"):
        given = torch.zeros(batch, shape[0], shape[1], shape[1], dtype=head.vae.dtype)
        (head.vae.encode if load.gradients else head.vae.decode)(given)
    return meter.peak


def _condition(head: Skeleton, batch: int, gradients: bool) -> tuple[Tensor, dict[str, Tensor] | None]:
    """Hidden states as wide as the denoiser wants them and, for several encoders, what it takes beside them."""
    outputs = [_encode(encoder, batch, gradients) for encoder in head.encoders]
    if len(outputs) == 1:
        return outputs[0].last_hidden_state, None
    hidden = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)
    sizes = torch.zeros(batch, TIME_IDS, dtype=head.unet.dtype)
    return hidden, {"text_embeds": outputs[-1].text_embeds.to(head.unet.dtype), "time_ids": sizes}


def _encode(encoder: Any, batch: int, gradients: bool) -> Any:
    layer = encoder.get_input_embeddings()
    vectors = torch.zeros(batch, layer.embedding_dim, requires_grad=gradients)

    def overwrite(module: Any, inputs: Sequence[Tensor], embedded: Tensor) -> Tensor:
        return embedded.index_put((torch.arange(batch), torch.tensor(1)), vectors.to(embedded))

    handle = layer.register_forward_hook(overwrite)
    try:
        ids = torch.zeros(batch, encoder.config.max_position_embeddings, dtype=torch.long)
        return encoder(input_ids=ids, output_hidden_states=True)
    finally:
        handle.remove()


def _predict(
    head: Skeleton, batch: int, side: int, hidden: Tensor, added: dict[str, Tensor] | None
) -> Tensor:
    noisy = torch.zeros(batch, head.unet.config.in_channels, side, side, dtype=head.unet.dtype)
    times = torch.zeros(batch, dtype=torch.long)
    output = head.unet(
        noisy,
        times,
        encoder_hidden_states=hidden.to(head.unet.dtype),
        added_cond_kwargs=added,
        return_dict=False,
    )
    return output[0].float()


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _count_adapter(module: Any) -> int:
    return sum(parameter.numel() for parameter in adapter.parameters(module).values())
