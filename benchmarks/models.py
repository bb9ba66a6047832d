"""What is measured: the embedded models, and one of middle size with random weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from emosym_registry import load_registry
from PIL import Image

from emosym.assembly import Builder
from emosym.contracts import Sample
from emosym.spec import load_spec
from emosym.system import System

MID = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
MID_SIDE = 352
"""Pixels of a side: 484 image tokens of 16 pixels each."""


def pictures(count: int, side: int = 64) -> list[Sample]:
    """Pictures of noise, each another one."""
    draw = np.random.default_rng(side)
    shape = (side, side, 3)
    made = (Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8)) for _ in range(count))
    return [Sample(f"{side}-{i}", (picture,), i % 8) for i, picture in enumerate(made)]


def embedded(*sets: str, cache_megabytes: int = 0, precision: str = "fp32") -> System:
    """The embedded system before training, with ``sets`` of its spec."""
    registry = load_registry()
    sets = (*sets, f"compute.cache_megabytes={cache_megabytes}", f"compute.precision={precision}")
    resolved = load_spec("preset:tiny", registry=registry, sets=sets)
    builder = Builder.of(
        resolved, registry, device=torch.device("cpu"), precision=precision, cache=cache_megabytes > 0
    )
    return System.assemble(builder, text_width=0)


@cache
def _mid_folder(root: Path) -> Path:
    """A Qwen2-VL of about 100 million parameters with the embedded one's tokenizer and processor."""
    source = load_registry().alias("backbone", "qwen-vl", "tiny")
    assert source is not None
    config = transformers.AutoConfig.from_pretrained(source)
    text = config.get_text_config(decoder=True)
    for name, value in MID.items():
        setattr(text, name, value)
    text.num_key_value_heads = 4
    config.vision_config.hidden_size = MID["hidden_size"]
    rope: dict[str, Any] = dict(text.rope_parameters)
    half = MID["hidden_size"] // MID["num_attention_heads"] // 2
    text.rope_parameters = {
        **rope,
        "mrope_section": [half // 4, half // 4 + half // 8, half - half // 4 - half // 4 - half // 8],
    }
    text.layer_types = ["full_attention"] * MID["num_hidden_layers"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForImageTextToText.from_config(config)
    folder = root / "mid"
    model.save_pretrained(folder)
    transformers.AutoProcessor.from_pretrained(source).save_pretrained(folder)
    return folder


def mid(root: Path, *sets: str, cache_megabytes: int = 0) -> System:
    """A system on a backbone of about 100 million parameters, which reads pictures of ``MID_SIDE`` pixels as 484 tokens."""
    folder = _mid_folder(root)
    area = MID_SIDE**2
    return embedded(
        f"backbone.params={{model: {folder}, max_pixels: {area}, attention: sdpa, training: frozen}}",
        "stages.unify=null", "diffusion=null", "fusion=null", "emotion_space=null", "memory=null",
        "judges={bank: null, evaluate: null}", "metrics=[accuracy]",
        *sets, cache_megabytes=cache_megabytes,
    )  # fmt: skip
