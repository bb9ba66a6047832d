"""What a head computes for a picture, counted on the meta device by PyTorch's own counter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from emosym.contracts import Condition, Context, Operations, Workload
from emosym.toolkit import counted
from emosym_diffusion.checks import picture_size
from emosym_diffusion.config import GUIDANCE_SCALE, STEPS, DiffusionConfig
from emosym_diffusion.families import Family
from emosym_diffusion.folder import PipelineFolder
from emosym_diffusion.footprint import Skeleton, conditioned, denoised, noise, open_known, set_up
from emosym_diffusion.sampling import schedule
from emosym_diffusion.schedulers import sampling_scheduler


def count(
    config: DiffusionConfig, context: Context, family: Family, load: Workload
) -> Mapping[str, Operations] | None:
    """Operations of one picture: ``text encoder``, ``UNet`` and ``VAE``, which encodes in training and decodes in sampling.

    A training step goes back through the UNet and the text encoder to the prompt's vectors; sampling goes through the UNet
    as often as scheduler and guidance say. None where the model is neither a local folder, nor in the local cache,
    nor known. Errors: ``diffusion.bad-size``.
    """
    opened = open_known(config, context, family)
    if opened is None:
        return None
    folder, head = opened
    checkpointing = config.gradient_checkpointing if load.checkpointing is None else load.checkpointing
    set_up(head, config, context, load, checkpointing, fused=False)
    size = picture_size(config, head.unet, head.vae)
    if load.gradients:
        return _training(head, size, load)
    return _sampling(head, size, load, evaluations(folder, config, load))


def evaluations(folder: str, config: DiffusionConfig, load: Workload) -> int:
    """How often the UNet sees a picture while it is sampled: both branches of guidance count."""
    pipeline = PipelineFolder(folder, local_files_only=True)
    defaults = pipeline.defaults()
    steps = load.steps or config.steps or defaults.steps or STEPS
    given = (load.guidance_scale, config.guidance_scale, defaults.guidance_scale, GUIDANCE_SCALE)
    scale = next(one for one in given if one is not None)
    scheduler = sampling_scheduler(pipeline.scheduler_config(), config.scheduler, config.scheduler_options)
    times = schedule(scheduler, steps, torch.device("cpu"), None)
    return len(times) * (1 if scale in (0.0, 1.0) else 2)


def _training(head: Skeleton, size: tuple[int, int], load: Workload) -> dict[str, Operations]:
    vae, (width, height) = head.vae, size
    with counted(load.autocast) as counter, torch.device("meta"):
        condition = conditioned(head, size, 1, gradients=True)
        text = counter.take()
        seen = cut(condition)
        loss = denoised(head, size, seen).square().mean()
        unet = Operations(counter.take())
        torch.autograd.backward(loss)
        unet = replace(unet, backward=counter.take())
        torch.autograd.backward(*_with_gradients(condition, seen))
        text_back = counter.take()
        with torch.no_grad():
            latents = vae.encode(torch.zeros(1, 3, height, width, dtype=vae.dtype)).latent_dist.mean
        coded = counter.take()
    return {
        "text encoder": Operations(text, text_back),
        "UNet": unet,
        "VAE": Operations(coded, 0, "latents", latents.numel() * torch.float32.itemsize),
    }


@torch.no_grad()
def _sampling(head: Skeleton, size: tuple[int, int], load: Workload, times: int) -> dict[str, Operations]:
    vae = head.vae
    with counted(load.autocast) as counter, torch.device("meta"):
        condition = conditioned(head, size, 1, gradients=False)
        text = counter.take()
        denoised(head, size, condition)
        unet = counter.take()
        vae.decode(noise(vae.config.latent_channels, head, size, 1).to(vae.dtype))
        return {
            "text encoder": Operations(text),
            "UNet": Operations(unet * times),
            "VAE": Operations(counter.take()),
        }


def cut(condition: Condition) -> Condition:
    """The same condition at the end of a graph of its own, whose gradients stop there."""
    pooled = None if condition.pooled is None else condition.pooled.detach().requires_grad_()
    return Condition(condition.hidden.detach().requires_grad_(), pooled, condition.extra)


def _with_gradients(condition: Condition, seen: Condition) -> tuple[list[Tensor], list[Tensor]]:
    """Tensors of ``condition`` that have a graph, and what has come back to those of ``seen``."""
    pairs = ((condition.hidden, seen.hidden), (condition.pooled, seen.pooled))
    known = [(one, end.grad) for one, end in pairs if one is not None and end is not None]
    reached = [(one, gradient) for one, gradient in known if gradient is not None and one.requires_grad]
    return [one for one, _ in reached], [gradient for _, gradient in reached]
