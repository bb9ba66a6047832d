"""Judge ``open-clip``: a head on the image features of an open_clip model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from emosym_registry import EmosymError
from emosym_registry.errors import first_line
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from emosym.contracts import Context, Judge
from emosym.toolkit import hash_tensors, read_json
from emosym_metrics.clip import device_of, load_clip, seen
from emosym_metrics.config import OpenClipJudgeConfig
from emosym_metrics.judges.labels import select

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


@dataclass(frozen=True)
class Head:
    """Layers from features to logits, the names of the logits, and the features they want."""

    layers: nn.Sequential
    labels: tuple[str, ...]
    clip: str
    normalize: bool


class OpenClipJudge(Judge[OpenClipJudgeConfig]):
    """CLIP image features and a linear or MLP head; frozen, float32.

    Two sources: a folder with ``head.json`` (``labels``; ``layers``, the linear layers' names in
    ``head.safetensors`` with activations between; ``clip``, the open_clip model, relative to the folder;
    ``normalize``), or a file of tensors with ``fc.weight`` and ``fc.bias`` as EmoGen publishes (CVPR 2024,
    over CLIP ViT-L/14).
    """

    def __init__(self, config: OpenClipJudgeConfig, context: Context) -> None:
        super().__init__(config, context)
        head = _from_folder(config, context) if config.model is not None else _from_file(config)
        model, self.transform, _ = load_clip(head.clip, config.pretrained, context)
        self.visual: Any = model.visual
        self.layers = head.layers.float().eval().requires_grad_(False)
        self.labels, self.normalize = head.labels, head.normalize
        self.selection = select(
            self.labels, context.labels, f"judge open-clip ({config.model or config.head})"
        )
        width, given = _width(self.layers), getattr(self.visual, "output_dim", None)
        if given is not None and width != given:
            raise EmosymError(
                "judge.wrong-clip",
                f"the head takes features of width {width}, {head.clip} gives {given}",
                hint="name the CLIP that the head was trained on",
            )
        self._identity = ""

    @property
    def identity(self) -> str:
        """sha256 of image tower, head and label order."""
        if not self._identity:
            named = {f"visual.{name}": tensor for name, tensor in self.visual.state_dict().items()}
            named |= {f"layers.{name}": tensor for name, tensor in self.layers.state_dict().items()}
            self._identity = hash_tensors(named, "\0".join([*self.labels, str(self.normalize)]))
        return self._identity

    def _raw(self, images: Sequence[Image.Image]) -> Tensor:
        return seen(self.visual, self.transform, images, self.config.batch_size)

    @torch.no_grad()
    def probabilities(self, images: Sequence[Image.Image]) -> Tensor:
        """[B,C] in the order of the run's labels."""
        if not images:
            return torch.zeros(0, len(self.context.labels), device=device_of(self))
        raw = self._raw(images)
        return self.selection.probabilities(self.layers(F.normalize(raw, dim=-1) if self.normalize else raw))

    def features(self, images: Sequence[Image.Image]) -> Tensor:
        """Unit-norm image features [B,F]."""
        return (
            F.normalize(self._raw(images), dim=-1)
            if images
            else torch.zeros(0, _width(self.layers), device=device_of(self))
        )


def _width(layers: nn.Sequential) -> int:
    return next(layer.in_features for layer in layers if isinstance(layer, nn.Linear))


def _linear(tensors: dict[str, Tensor], name: str, file: str) -> nn.Linear:
    weight, bias = tensors.get(f"{name}.weight"), tensors.get(f"{name}.bias")
    if weight is None or weight.ndim != 2:
        raise EmosymError(
            "judge.bad-head",
            f"{file}: expected a matrix {name}.weight, found {', '.join(sorted(tensors)) or 'nothing'}",
        )
    # Not skip_init: its detour over the meta device imports sympy, seconds of every start.
    with torch.random.fork_rng(devices=[]):
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _checked(layers: nn.Sequential, labels: Sequence[str], file: str) -> tuple[str, ...]:
    rows = [layer.out_features for layer in layers if isinstance(layer, nn.Linear)][-1]
    if rows != len(labels):
        raise EmosymError(
            "judge.bad-head",
            f"{file}: the head has {rows} rows, {len(labels)} labels are named",
            hint="name one label a row, in order",
        )
    return tuple(labels)


def _from_folder(config: OpenClipJudgeConfig, context: Context) -> Head:
    assert config.model is not None
    folder = Path(context.model_path(config.model))
    try:
        described = read_json(folder / "head.json")
        tensors = load_file(folder / "head.safetensors")
        names = described.get("layers") or sorted({key.rpartition(".")[0] for key in tensors})
        labels = described["labels"]
    except FileNotFoundError as error:
        raise EmosymError(
            "model.unknown",
            f"judge open-clip: {config.model!r} has no {Path(error.filename or folder).name}",
            hint="model is an alias that a plugin has, or a folder with head.json and head.safetensors",
        ) from error
    except Exception as error:  # broken JSON or safetensors
        raise EmosymError("judge.bad-head", f"{folder}: cannot be read: {first_line(error)}") from error
    layers = nn.Sequential(
        *(
            ACTIVATIONS[name]() if name in ACTIVATIONS else _linear(tensors, name, str(folder))
            for name in names
        )
    )
    clip = config.clip
    if clip is None:
        named = described.get("clip")
        if named is None:
            raise EmosymError(
                "judge.no-clip",
                f"{folder}/head.json does not say which CLIP the head is for",
                hint="add params: {clip: …}",
            )
        beside = folder / named
        clip = str(beside.resolve()) if beside.is_dir() else named
    normalize = described.get("normalize", True) if config.normalize is None else config.normalize
    return Head(layers, _checked(layers, labels, str(folder)), clip, bool(normalize))


def _from_file(config: OpenClipJudgeConfig) -> Head:
    assert config.head is not None
    assert config.clip is not None
    assert config.head_labels is not None
    try:
        safe = Path(config.head).suffix == ".safetensors"
        tensors = (
            load_file(config.head) if safe else torch.load(config.head, map_location="cpu", weights_only=True)
        )
    except FileNotFoundError as error:
        raise EmosymError(
            "model.unknown", f"judge open-clip: no file {config.head!r}", hint="check head"
        ) from error
    except Exception as error:  # torch raises several
        raise EmosymError(
            "judge.bad-head",
            f"{config.head}: cannot be read safely: {first_line(error)}",
            hint="only plain tensors are loaded",
        ) from error
    layers = nn.Sequential(_linear(dict(tensors), "fc", config.head))
    return Head(
        layers, _checked(layers, config.head_labels, config.head), config.clip, bool(config.normalize)
    )
