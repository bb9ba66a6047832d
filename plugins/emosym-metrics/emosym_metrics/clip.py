"""Loading open_clip models: aliases, folders, the hub, and names with their weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import torch
from emosym_registry import EmosymError, did_you_mean
from PIL import Image
from torch import Tensor, nn

from emosym.contracts import Context


def locate(model: str, context: Context) -> str:
    """open_clip's own way to name a model: ``local-dir:`` for a folder, everything else unchanged.

    A name that is no folder, no hub model and none of open_clip's is refused.
    """
    path: str = context.model_path(model)
    if Path(path).is_dir():
        return f"local-dir:{path}"
    if path.startswith(("hf-hub:", "local-dir:")) or path in open_clip.list_models():
        return path
    hint = (
        did_you_mean(path, open_clip.list_models())
        or "give an alias, a folder, hf-hub:org/repo or a name of open_clip"
    )
    raise EmosymError(
        "model.unknown", f"{context.kind} {context.component}: no open_clip model {model!r}", hint=hint
    )


def load_clip(
    model: str, pretrained: str | None, context: Context
) -> tuple[Any, Callable[[Image.Image], Tensor], str]:
    """The frozen model in float32, its image transform, and its name for :func:`open_clip.get_tokenizer`."""
    name = locate(model, context)
    if ":" not in name and pretrained is None:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "a file"
        raise EmosymError(
            "model.no-weights", f"open_clip model {name} needs its weights named", hint=f"pretrained: {tags}"
        )
    try:
        loaded, transform = open_clip.create_model_from_pretrained(
            name, None if ":" in name else pretrained, weights_only=True
        )
    except Exception as error:  # open_clip, the hub and torch each raise their own
        raise EmosymError("model.cannot-load", f"open_clip model {model!r} cannot be loaded: {first_line(error)}",
                          hint="check the folder's files, the name of the weights, or the network") from error  # fmt: skip
    return loaded.float().eval().requires_grad_(False), transform, name


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def device_of(module: nn.Module) -> torch.device:
    """Where the module's parameters are."""
    return next(module.parameters()).device


def stacked(images: Any, transform: Callable[[Image.Image], Tensor], device: torch.device) -> Tensor:
    """Pictures as one batch [B,3,H,W]."""
    return torch.stack([transform(image.convert("RGB")) for image in images]).to(device)
