"""Small folders in the layouts that the readers know."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from emosym.contracts import MIKELS_8

COUNTS = {"train": 5, "val": 2, "test": 2}
"""Images of each emotion."""


def paint(file: Path, seed: int) -> None:
    """A picture of its own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG" if file.suffix == ".png" else "JPEG")


@pytest.fixture
def emoset(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder in EmoSet's layout: 5 + 2 + 2 images of each emotion."""

    def write(columns: int = 3, name: str = "emoset") -> Path:
        root = tmp_path / name
        seed = 0
        index: dict[str, list[list[str]]] = {split: [] for split in COUNTS}
        for emotion in MIKELS_8:
            number = 0
            for split, count in COUNTS.items():
                for _ in range(count):
                    number, seed = number + 1, seed + 1
                    id = f"{emotion}_{number:05d}"
                    image, annotation = f"image/{emotion}/{id}.jpg", f"annotation/{emotion}/{id}.json"
                    paint(root / image, seed)
                    content: dict[str, Any] = {
                        "image_id": id, "emotion": emotion, "brightness": 0.2, "colorfulness": "0.9", "scene": "amusement_park",
                        "object": ["Ferris wheel", "Balloon"], "reasoning": f"it makes one feel {emotion}", "reasoning_blind": "so high",
                    }  # fmt: skip
                    (root / annotation).parent.mkdir(parents=True, exist_ok=True)
                    (root / annotation).write_text(json.dumps(content))
                    middle = [id] if columns == 4 else []
                    index[split].append([emotion, *middle, image, annotation])
        for split, rows in index.items():
            (root / f"{split}.json").write_text(json.dumps(rows, indent=0).replace("\n\n", "\n"))
        label2idx = {emotion: i for i, emotion in enumerate(MIKELS_8)}
        (root / "info.json").write_text(json.dumps({"emotion": {"label2idx": label2idx}}))
        return root

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a picture folder of twenty images an emotion, with splits of its own or without."""

    def write(splits: bool = False, count: int = 20) -> Path:
        root = tmp_path / "folder"
        for i, emotion in enumerate(MIKELS_8):
            for j in range(count):
                prefix = ("train/", "val/", "test/")[j % 3] if splits else ""
                paint(root / f"{prefix}{emotion}" / f"{j:02d}.png", 1000 * i + j)
        return root

    return write
