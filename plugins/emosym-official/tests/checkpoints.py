"""Writes checkpoints in the layout of the authors' code, on the embedded backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText

from emosym.contracts import MIKELS_8

RANK, ALPHA, HIDDEN = 4, 12, 48


@dataclass(frozen=True)
class Shape:
    """Sizes and forms a checkpoint is written with."""

    tokens: int = 1
    text_width: int = 0
    emotions: tuple[str, ...] = MIKELS_8
    targets: tuple[str, ...] = ("language_model",)
    options: tuple[tuple[str, Any], ...] = ()


def write(folder: Path, base: Path, shape: Shape, seed: int = 0) -> Path:
    """The whole layout: adapter, ``non_lora_state_dict.bin``, mappers, emotion space."""
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_pretrained(base)
    width = model.config.get_text_config().hidden_size
    model.EMO_embed = nn.Parameter(torch.randn(1, width) * 0.1)
    model.CTX_embed = nn.Parameter(torch.randn(shape.tokens, width) * 0.1)
    model.cls_head = head(width, len(shape.emotions))
    adapted = get_peft_model(model, _config(model, shape))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if ".lora_" in name:
                parameter.normal_(std=0.05)
    adapted.save_pretrained(folder)
    rest = {name: value.detach().clone() for name, value in adapted.named_parameters() if "lora_" not in name}
    torch.save(rest, folder / "non_lora_state_dict.bin")
    (folder / "trainer_state.json").write_text("{}")
    for name in ("mapper", "mapper_context"):
        torch.save(mapper(width, shape.text_width).state_dict(), folder / f"{name}.pth")
    write_space(folder / "emotion_space", shape.emotions, width, shape.tokens)
    return folder


def _config(model: nn.Module, shape: Shape) -> LoraConfig:
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and any(target in name for target in shape.targets)
    ]
    options = {"r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.05} | dict(shape.options)
    return LoraConfig(target_modules=linear, **options)


def head(width: int, emotions: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, emotions))


class Mapper(nn.Module):
    """Two layers under the name that the authors' mappers have."""

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, text_width))


def mapper(width: int, text_width: int) -> Mapper:
    return Mapper(width, text_width)


def write_space(folder: Path, emotions: Sequence[str], width: int, tokens: int) -> None:
    """Half-precision statistics, as a model in half precision gives them."""
    folder.mkdir()
    for emotion in emotions:
        for state, size in (("cls_fea", width), ("context", tokens * width)):
            torch.save(torch.randn(size).half(), folder / f"{emotion}_{state}_mean.pt")
            torch.save(torch.rand(size).half(), folder / f"{emotion}_{state}_std.pt")


def rename(folder: Path, old: str, new: str) -> None:
    """Replace a piece of every tensor's name in adapter and ``non_lora_state_dict.bin``."""
    path = folder / "adapter_model.safetensors"
    save_file({key.replace(old, new): value for key, value in load_file(path).items()}, path)
    edit(
        folder / "non_lora_state_dict.bin",
        lambda tensors: {k.replace(old, new): v for k, v in tensors.items()},
    )


def edit(path: Path, change: Any) -> None:
    """Load a pickled file, change it, save it."""
    torch.save(change(load(path)), path)


def load(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def adapter(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "adapter_model.safetensors")
