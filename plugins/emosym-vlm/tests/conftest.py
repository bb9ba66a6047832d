"""Folders of small models, backbones made from them, and what they read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from emosym_vlm import backbones, config as configs
from PIL import Image

from emosym.contracts import MIKELS_8, Context, LabelSet, Sample

from .families import BUILDERS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's small model, built once a session with fixed weights (stored in fp16)."""
    made: dict[str, Path] = {}

    def get(family: str) -> Path:
        if family not in made:
            path = tmp_path_factory.mktemp(family)
            with torch.random.fork_rng():
                torch.manual_seed(7)
                model, processor = BUILDERS[family](family)
            model.to(torch.float16).save_pretrained(path)
            processor.save_pretrained(path)
            made[family] = path
        return made[family]

    return get


@pytest.fixture(scope="session")
def context() -> Context:
    return Context(LabelSet.of("mikels-8"), seed=3, kind="backbone", component="hf-vlm")


@pytest.fixture(scope="session")
def build(folder: Callable[[str], Path], context: Context) -> Callable[..., Any]:
    """``build(family, **params)``: a new backbone of the component that takes the family."""

    def make(family: str, *, seed: int = 3, **params: Any) -> Any:
        name = "QwenVL" if family.startswith("qwen") else "Llava" if family.startswith("llava") else "HFVLM"
        config = getattr(configs, f"{name}Config")(model=str(folder(family)), local_files_only=True, **params)
        return getattr(backbones, name)(config, replace(context, seed=seed))

    return make


@pytest.fixture(scope="session")
def shared(build: Callable[..., Any]) -> Callable[[str], Any]:
    """One backbone a family for tests that change nothing."""
    made: dict[str, Any] = {}

    def get(family: str) -> Any:
        if family not in made:
            made[family] = build(family)
        return made[family]

    return get


def picture(width: int, height: int, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    """Mixed sizes, and one sample with two images."""
    return [
        Sample("small", (picture(32, 32, 0),), label=0),
        Sample("wide", (picture(96, 32, 1),), label=1),
        Sample("pair", (picture(32, 48, 2), picture(64, 32, 3)), label=len(MIKELS_8) - 1),
        Sample("tall", (picture(32, 64, 4),)),
    ]


@pytest.fixture(scope="session")
def tokens() -> Callable[..., torch.Tensor]:
    """Reproducible tokens [rows,T,D]."""

    def make(backbone: Any, rows: int, count: int = 3, seed: int = 0) -> torch.Tensor:
        mean, std = backbone.typical_embedding()
        noise = torch.randn(rows, count, backbone.hidden_size, generator=torch.Generator().manual_seed(seed))
        return mean + std * noise

    return make
