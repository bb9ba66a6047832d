"""What tells one family of latent diffusion models from another, and how its denoiser is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from emosym.contracts import Condition


@dataclass(frozen=True)
class Tower:
    """Subfolders of a text encoder and its tokenizer, and the encoder's class."""

    tokenizer: str
    encoder: str
    cls: Any


@dataclass(frozen=True)
class Family:
    """One family.

    ``towers`` are its text encoders, ``embedding`` is the UNet's ``addition_embed_type``, ``zero_empty``
    whether the empty prompt is zeros where ``model_index.json`` does not say, ``example`` a hub id to
    recommend. ``condition`` makes what the UNet sees from the text encoders' outputs for B prompts (one output of
    transformers each, with all ``hidden_states`` [B,L,w] and, where the encoder projects, ``text_embeds`` [B,p]) and the
    pictures' size (width, height).
    """

    name: str
    towers: tuple[Tower, ...]
    embedding: str | None
    zero_empty: bool
    example: str
    condition: Callable[[Sequence[Any], tuple[int, int]], Condition]


def predict(unet: Any, latents: Tensor, times: Tensor, condition: Condition) -> Tensor:
    """What ``unet`` predicts, float32 [B,c,h,w], for ``latents`` [B,c,h,w] at ``times``."""
    added = None
    if condition.pooled is not None:
        named = {"text_embeds": condition.pooled, **condition.extra}
        added = {name: value.to(unet.dtype) for name, value in named.items()}
    output: Tensor = unet(
        latents.to(unet.dtype),
        times,
        encoder_hidden_states=condition.hidden.to(unet.dtype),
        added_cond_kwargs=added,
        return_dict=False,
    )[0]
    return output.float()


def join(first: Condition, second: Condition) -> Condition:
    """Both conditions along B."""
    return _each(lambda *tensors: torch.cat(tensors), first, second)


def moved(condition: Condition, device: torch.device) -> Condition:
    """The condition on ``device``, with its graph."""
    return _each(lambda tensor: tensor.to(device), condition)


def _each(change: Callable[..., Tensor], *conditions: Condition) -> Condition:
    """The condition whose every tensor is ``change`` of theirs."""
    pooled = [one.pooled for one in conditions if one.pooled is not None]
    return Condition(
        change(*(one.hidden for one in conditions)),
        change(*pooled) if pooled else None,
        {name: change(*(one.extra[name] for one in conditions)) for name in conditions[0].extra},
    )
