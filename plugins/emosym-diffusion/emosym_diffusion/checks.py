"""Whether a folder, its parts and a call's inputs fit together, said before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from emosym_registry import EmosymError
from torch import Tensor

from emosym_diffusion.autoencoder import Autoencoder, pixels_per_latent
from emosym_diffusion.config import DiffusionConfig
from emosym_diffusion.families import Family
from emosym_diffusion.folder import PipelineFolder
from emosym_diffusion.text import TextTower

_BY_EMBEDDING = {None: "sd", "text_time": "sdxl"}
TIME_IDS = 6
"""Original height and width, top and left of the crop, target height and width."""


def open_family(folder: PipelineFolder, family: Family, own_vae: bool) -> Mapping[str, Any]:
    """Check that the folder is there, whole and of the family; gives its ``model_index.json``."""
    folder.require(family.example)
    index = folder.index(family.example)
    if "transformer" in index or (folder.local is not None and (folder.local / "transformer").is_dir()):
        raise EmosymError(
            "diffusion.wrong-family",
            f"{folder.path} is a {index.get('_class_name', 'model')} with a transformer; "
            f"{family.name} needs a UNet",
            hint=f"choose a model such as {family.example}",
        )
    folder.require_components(("unet",), family.example)
    unet = folder.config("unet", UNet2DConditionModel)
    embedding = unet.get("addition_embed_type")
    if embedding != family.embedding:
        other = _BY_EMBEDDING.get(embedding)
        what = f"a model for {other!r}" if other else f"of a family with {embedding!r} conditioning"
        raise EmosymError(
            "diffusion.wrong-family",
            f"{folder.path} is {what}, not for {family.name!r}",
            hint=f"write diffusion.name: {other}" if other else f"choose a model such as {family.example}",
        )
    parts = [name for tower in family.towers for name in (tower.tokenizer, tower.encoder)]
    folder.require_components((*parts, "scheduler", *(("vae",) if own_vae else ())), family.example)
    return index


def check_fit(
    family: Family,
    path: str,
    unet: Any,
    towers: Sequence[TextTower],
    autoencoder: Autoencoder,
) -> None:
    """The UNet takes what the text encoders and the autoencoder give."""
    widths = [tower.hidden_width for tower in towers]
    config = unet.config
    wanted = config.encoder_hid_dim or config.cross_attention_dim
    wanted = set(wanted) if isinstance(wanted, (list, tuple)) else {wanted}
    if wanted != {sum(widths)}:
        given = " + ".join(map(str, widths))
        _misfit(path, f"its UNet attends to width {_listed(wanted)}, its text encoders give {given}")
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
        what = "its UNet takes the guidance scale as an input (a distilled model)"
        _misfit(path, f"{what}, which {family.name} does not give")
    if family.embedding == "text_time":
        towers[-1].require_pooling()
        numbers = int(towers[-1].encoder.config.projection_dim) + TIME_IDS * config.addition_time_embed_dim
        taken = config.projection_class_embeddings_input_dim
        if numbers != taken:
            what = f"its UNet takes {taken} numbers of pooled text and sizes"
            _misfit(path, f"{what}, and would get {numbers} (SDXL's refiner?)")


def _misfit(path: str, what: str) -> None:
    raise EmosymError("diffusion.misfit", f"{path}: {what}", hint="use components that were trained together")


def _listed(values: Iterable[int]) -> str:
    return ", ".join(str(value) for value in sorted(values))


def picture_size(config: DiffusionConfig, unet: Any, vae: Any) -> tuple[int, int]:
    """Width and height in pixels: the config's, else what the denoiser was trained for. Errors:
    ``diffusion.bad-size``."""
    factor = pixels_per_latent(vae)
    if config.image_size is None:
        height, width = (side * factor for side in _pair(unet.config.sample_size or 0))
    else:
        width, height = _pair(config.image_size)
    if not width or not height or width % factor or height % factor:
        raise EmosymError(
            "diffusion.bad-size",
            f"image size {width}×{height}: the autoencoder needs multiples of {factor}",
            hint=f"set image_size to a multiple of {factor}, or to two: [width, height]",
        )
    return width, height


def _pair(sides: int | Sequence[int]) -> tuple[int, int]:
    first, second = (sides, sides) if isinstance(sides, int) else sides
    return int(first), int(second)


def check_pixels(pixels: Tensor, size: tuple[int, int], who: str) -> None:
    """[B,3,H,W] of ``size`` (W, H)."""
    width, height = size
    if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (3, height, width):
        raise EmosymError(
            "diffusion.bad-pixels",
            f"{who}: expected [B,3,{height},{width}] in [-1,1], got {list(pixels.shape)}",
            hint=f"resize and crop pictures to {width}×{height} pixels",
            ours=True,
        )


def check_sampling(
    batch: int,
    generators: Sequence[torch.Generator],
    init_image: Tensor | None,
    strength: float,
    size: tuple[int, int],
) -> None:
    """One generator (and one picture to start from) for each condition; a strength in [0,1]."""
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
    if not 0 <= strength <= 1:
        raise EmosymError(
            "diffusion.bad-strength",
            f"strength {strength} is not in [0, 1]",
            hint="0 keeps the picture, 1 keeps almost nothing of it",
        )
