"""open_clip models: loading them by alias, folder, hub id or name with weights, and seeing with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from emosym_registry import EmosymError, did_you_mean
from emosym_registry.errors import first_line
from PIL import Image
from torch import Tensor, nn

from emosym.contracts import Context
from emosym.toolkit import holds_code, is_torn, refuse_hub_code


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
        _refuse_code(f"open_clip model {model!r}", open_clip.get_model_config(name))
        _fetch_weights(name, pretrained)
        # open_clip draws weights before it reads them; the run's random numbers are not for that.
        with torch.random.fork_rng(devices=[]):
            loaded, transform = open_clip.create_model_from_pretrained(
                name, None if ":" in name else pretrained, weights_only=True
            )
    except EmosymError:
        raise
    except Exception as error:  # open_clip, the hub and torch each raise their own
        raise _explained(model, name, error) from error
    return loaded.float().eval().requires_grad_(False), transform, name


def _fetch_weights(name: str, pretrained: str | None) -> None:
    """Have the weights of a named model here before it is built, which takes a large one long, and in vain where they
    cannot be had."""
    described = open_clip.get_pretrained_cfg(name, pretrained) if ":" not in name and pretrained else None
    if not described:
        return
    try:
        open_clip.download_pretrained(described)
    except Exception as error:  # the hub's and the network's
        repository = str(described.get("hf_hub", "")).strip("/")
        download = f"hf download {repository} --local-dir models/{name}"
        raise EmosymError(
            "model.no-weights",
            f"open_clip model {name} needs its weights {pretrained!r}, which are not on this machine and cannot be "
            f"downloaded now: bring open_clip_model.safetensors of {repository}, published on the Hugging Face hub",
            hint=f"where there is a network: {download}; then pretrained: models/{name}/open_clip_model.safetensors",
        ) from error


def _refuse_code(who: str, described: Any) -> None:
    """open_clip hands what its configuration says of a tokenizer to transformers, ``trust_remote_code`` too, and takes a
    text tower of transformers with whatever that one's own configuration says."""
    refuse_hub_code("model", who, described)
    tower = ((described or {}).get("text_cfg") or {}).get("hf_model_name")
    if tower:
        from transformers import PretrainedConfig

        own, _ = PretrainedConfig.get_config_dict(tower)
        refuse_hub_code("model", who, {**own, "trust_remote_code": own.get("auto_map")})


def _explained(model: str, name: str, error: Exception) -> EmosymError:
    if holds_code(error):
        return unsafe_pickle(f"open_clip model {model!r}")
    if is_torn(error):
        return EmosymError(
            "model.damaged-weights",
            f"open_clip model {model!r}: its file of weights is damaged ({first_line(error)})",
            hint="delete that file and download it again",
        )
    return EmosymError(
        "model.cannot-load",
        f"open_clip model {model!r} cannot be loaded: {first_line(error)}",
        hint=_where_from(name),
    )


def unsafe_pickle(who: str) -> EmosymError:
    """The refusal of a pickle that holds code."""
    return EmosymError(
        "model.unsafe-pickle",
        f"{who}: its weights are a pickle that holds more than tensors and could run code; it was not opened",
        hint="take the safetensors version of this model",
    )


def _where_from(name: str) -> str:
    kind, _, rest = name.partition(":")
    if kind == "local-dir":
        return "the folder needs open_clip_config.json and open_clip_model.safetensors"
    if kind == "hf-hub":
        folder = f"models/{rest.rpartition('/')[2]}"
        download = f"hf download {rest} --local-dir {folder}"
        return f"where there is a network, get it with `{download}` and write {folder}"
    return "check pretrained: a name of weights that can be downloaded, or a file of them"


def device_of(module: nn.Module) -> torch.device:
    """Where the module's parameters are."""
    return next(module.parameters()).device


@torch.no_grad()
def seen(
    visual: Any, transform: Callable[[Image.Image], Tensor], images: Sequence[Image.Image], batch_size: int
) -> Tensor:
    """Features [B,F], float32, of one picture or more by an open_clip image tower."""
    device = device_of(visual)
    batches = [images[i : i + batch_size] for i in range(0, len(images), batch_size)]
    pixels = (torch.stack([transform(image.convert("RGB")) for image in batch]) for batch in batches)
    return torch.cat([visual(batch.to(device)).float() for batch in pixels])


class ImageTower:
    """The image tower of an open_clip model, frozen, in float32, on the run's device."""

    def __init__(self, model: str, pretrained: str | None, context: Context, batch_size: int) -> None:
        loaded, self._transform, _ = load_clip(model, pretrained, context)
        self._visual = loaded.visual.to(context.device or "cpu")
        self._batch_size = batch_size

    def raw(self, images: Sequence[Image.Image]) -> Tensor:
        """Features [B,F] of one picture or more, of the length that the model gives them."""
        return seen(self._visual, self._transform, images, self._batch_size)

    def features(self, images: Sequence[Image.Image]) -> Tensor:
        """Unit-norm features [B,F] of one picture or more."""
        return F.normalize(self.raw(images), dim=-1)
