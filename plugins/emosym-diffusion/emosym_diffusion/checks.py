"""Whether a folder, its parts and a call's inputs fit together, said before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from emosym_registry import EmosymError
from torch import Tensor

from emosym_diffusion.autoencoder import Autoencoder
from emosym_diffusion.folder import PipelineFolder
from emosym_diffusion.text import TextTower


@dataclass(frozen=True)
class Tower:
    """Subfolders of a text encoder and its tokenizer, and the encoder's class."""

    tokenizer: str
    encoder: str
    cls: Any


@dataclass(frozen=True)
class Family:
    """What tells a family's folders from others: ``embedding`` is the UNet's ``addition_embed_type``; ``zero_empty``
    whether the empty prompt is zeros where ``model_index.json`` does not say; ``example`` a hub id to recommend."""

    name: str
    towers: tuple[Tower, ...]
    embedding: str | None
    zero_empty: bool
    example: str


_BY_EMBEDDING = {None: "sd", "text_time": "sdxl"}


def open_family(folder: PipelineFolder, family: Family, own_vae: bool) -> Mapping[str, Any]:
    """Check that the folder is there, whole and of the family; gives its ``model_index.json``."""
    folder.require(family.example)
    index = folder.index(family.example)
    if "transformer" in index or (folder.local is not None and (folder.local / "transformer").is_dir()):
        raise EmosymError(
            "diffusion.wrong-family",
            f"{folder.path} is a {index.get('_class_name', 'model')} with a transformer; {family.name} needs a UNet",
            hint=f"choose a model such as {family.example}",
        )
    folder.require_components(("unet",), family.example)
    unet = folder.config("unet", UNet2DConditionModel)
    found = unet.get("addition_embed_type")
    if found != family.embedding:
        other = _BY_EMBEDDING.get(found)
        raise EmosymError(
            "diffusion.wrong-family",
            f"{folder.path} is {f'a model for {other!r}' if other else f'of a family with {found!r} conditioning'}, not for {family.name!r}",
            hint=f"write diffusion.name: {other}" if other else f"choose a model such as {family.example}",
        )
    parts = [name for tower in family.towers for name in (tower.tokenizer, tower.encoder)]
    folder.require_components((*parts, "scheduler", *(("vae",) if own_vae else ())), family.example)
    return index


def check_fit(
    family: Family,
    path: str,
    unet: Any,
    towers: Iterable[TextTower],
    autoencoder: Autoencoder,
) -> None:
    """The UNet takes what the text encoders and the autoencoder give."""
    towers = list(towers)
    widths = [tower.hidden_width for tower in towers]
    config = unet.config
    wanted = config.encoder_hid_dim or config.cross_attention_dim
    wanted = set(wanted) if isinstance(wanted, (list, tuple)) else {wanted}
    if wanted != {sum(widths)}:
        _misfit(
            path,
            f"its UNet attends to width {_listed(wanted)}, its text encoders give {' + '.join(map(str, widths))}",
        )
    lengths = {tower.prompts.length for tower in towers}
    if len(lengths) > 1:
        _misfit(path, f"its text encoders take prompts of different lengths: {_listed(lengths)}")
    if config.in_channels != autoencoder.channels:
        _misfit(
            path,
            f"its UNet takes {config.in_channels} channels, the autoencoder gives {autoencoder.channels}"
            + (" (an inpainting model?)" if config.in_channels == 2 * autoencoder.channels + 1 else ""),
        )
    if config.time_cond_proj_dim is not None:
        _misfit(
            path,
            f"its UNet takes the guidance scale as an input (a distilled model), which {family.name} does not give",
        )


def _misfit(path: str, what: str) -> None:
    raise EmosymError("diffusion.misfit", f"{path}: {what}", hint="use components that were trained together")


def _listed(values: Iterable[int]) -> str:
    return ", ".join(str(value) for value in sorted(values))


def check_pixels(pixels: Tensor, size: int, who: str) -> None:
    """[B,3,size,size]."""
    if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (3, size, size):
        raise EmosymError(
            "diffusion.bad-pixels",
            f"{who}: expected [B,3,{size},{size}] in [-1,1], got {list(pixels.shape)}",
            hint=f"resize and crop pictures to {size} pixels",
            ours=True,
        )


def check_sampling(
    batch: int, generators: Sequence[torch.Generator], init_image: Tensor | None, strength: float, size: int
) -> None:
    """One generator (and one picture to start from) for each condition; a strength in (0,1]."""
    if len(generators) != batch:
        raise EmosymError(
            "diffusion.bad-generators",
            f"{batch} conditions and {len(generators)} generators",
            hint="give one generator a picture",
            ours=True,
        )
    if init_image is None:
        return
    check_pixels(init_image, size, "init_image")
    if len(init_image) != batch:
        raise EmosymError(
            "diffusion.bad-pixels",
            f"{batch} conditions and {len(init_image)} pictures to start from",
            ours=True,
        )
    if not 0 < strength <= 1:
        raise EmosymError(
            "diffusion.bad-strength",
            f"strength {strength} is not in (0, 1]",
            hint="1 keeps almost nothing of the picture, 0.3 most of it",
        )
