"""Small random models of the real classes, saved as their libraries save them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from emosym_registry import load_registry
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetForImageClassification,
    ViTImageProcessor,
)

from emosym.contracts import LabelSet

CONTEXT_LENGTH = 12
WORDS = [
    "a",
    "ghost",
    "in",
    "the",
    "dark",
    "forest",
    "something",
    "could",
    "harm",
    "you",
    "here",
    ".",
    "sunny",
    "beach",
    "b",
    "c",
]
MIKELS = LabelSet.of("mikels-8")
HEAD_LABELS = [*sorted(MIKELS.names)]


def _tokenizer() -> PreTrainedTokenizerFast:
    special = ["<pad>", "<s>", "</s>", "<unk>"]
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate([*special, *WORDS])}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def save_clip(folder: Path, seed: int, tokenizer: PreTrainedTokenizerFast | None, width: int = 12) -> Path:
    """A random open_clip CLIP in a folder that ``local-dir:`` loads; without a tokenizer it takes
    open_clip's own."""
    text = {"context_length": CONTEXT_LENGTH, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    if tokenizer is not None:
        text |= {
            "hf_tokenizer_name": "local",
            "vocab_size": len(tokenizer),
            "pool_type": "eos",
            "eos_id": 2,
            "pad_id": 0,
        }
    config = {
        "embed_dim": width,
        "vision_cfg": {"image_size": 16, "patch_size": 8, "layers": 1, "width": 16, "head_width": 8},
        "text_cfg": text,
    }
    torch.manual_seed(seed)
    built = {**config, "text_cfg": {key: value for key, value in text.items() if key != "hf_tokenizer_name"}}
    model = open_clip.CLIP(**built)
    folder.mkdir(parents=True)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    preprocess = {
        "size": 16,
        "mode": "RGB",
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    )
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("models") / "clip", 1, _tokenizer())


@pytest.fixture(scope="session")
def wide_clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With features as wide as those of CLIP ViT-L/14."""
    return save_clip(tmp_path_factory.mktemp("models") / "clip-wide", 6, _tokenizer(), width=768)


@pytest.fixture(scope="session")
def bpe_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("models") / "clip-bpe", 2, None)


@pytest.fixture(scope="session")
def head_folder(clip_folder: Path) -> Path:
    """A two-layer head beside the CLIP."""
    folder = clip_folder.parent / "judge"
    folder.mkdir()
    torch.manual_seed(3)
    layers = torch.nn.Sequential(torch.nn.Linear(12, 6), torch.nn.ReLU(), torch.nn.Linear(6, 8))
    save_file(
        {f"layers.{k}": v.contiguous() for k, v in layers.state_dict().items()}, folder / "head.safetensors"
    )
    described = {
        "labels": HEAD_LABELS,
        "layers": ["layers.0", "relu", "layers.2"],
        "clip": "../clip",
        "normalize": True,
    }
    (folder / "head.json").write_text(json.dumps(described))
    return folder


CLASSES = ["scene:beach", *reversed(MIKELS.names), "scene:forest", "object:ghost", "object:cat"]


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "resnet"
    torch.manual_seed(4)
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic", id2label=dict(enumerate(CLASSES)),
                          label2id={name: i for i, name in enumerate(CLASSES)})  # fmt: skip
    ResNetForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(
        size={"height": 16, "width": 16}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def images() -> list[Image.Image]:
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randint(0, 256, (6, 20, 24, 3), generator=generator, dtype=torch.uint8).numpy()
    return [Image.fromarray(one) for one in pixels]


class Payload:
    """What a malicious pickle does, with a file to see it by."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@pytest.fixture
def dangerous(tmp_path: Path) -> Callable[..., Path]:
    """Save tensors with a payload; what it leaves where it is run is ``trace`` beside the file's folder."""

    def save(file: Path, tensors: dict[str, torch.Tensor]) -> Path:
        torch.save({**tensors, "payload": Payload(tmp_path / "trace")}, file)
        return tmp_path / "trace"

    return save


@pytest.fixture(scope="session")
def registry():
    return load_registry(only=["emosym-metrics"], strict=True)
