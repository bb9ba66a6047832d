"""What `emosym plugins check` runs for this plugin: small sound folders, a file of texts, and an endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from emosym.contracts import MIKELS_8
from emosym.testing import DatasetSuite, KnowledgeSuite
from emosym_data.local_endpoint import LocalEndpoint

COUNTS = {"train": 5, "val": 2, "test": 2}
"""Images of each emotion."""
ATTRIBUTES = {
    "brightness": 0.2,
    "colorfulness": "0.9",
    "scene": "amusement_park",
    "object": ["Ferris wheel", "Balloon"],
    "reasoning_blind": "so high",
}


def noise(seed: int, size: tuple[int, int] = (6, 6)) -> Image.Image:
    """A picture that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def paint(file: Path, seed: int) -> None:
    """Write a picture of its own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    noise(seed).save(file, "PNG" if file.suffix == ".png" else "JPEG")


def write_emoset(root: Path, columns: int = 3) -> Path:
    """A folder in EmoSet's layout with 5 + 2 + 2 images of each emotion; 4 ``columns`` also name the id."""
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
                reasoning = f"it makes one feel {emotion}"
                content = {**ATTRIBUTES, "image_id": id, "emotion": emotion, "reasoning": reasoning}
                (root / annotation).parent.mkdir(parents=True, exist_ok=True)
                (root / annotation).write_text(json.dumps(content))
                middle = [id] if columns == 4 else []
                index[split].append([emotion, *middle, image, annotation])
    for split, rows in index.items():
        (root / f"{split}.json").write_text(json.dumps(rows, indent=0).replace("\n\n", "\n"))
    label2idx = {emotion: i for i, emotion in enumerate(MIKELS_8)}
    (root / "info.json").write_text(json.dumps({"emotion": {"label2idx": label2idx}}))
    return root


def write_folder(root: Path, splits: bool = False, count: int = 20) -> Path:
    """A folder with ``count`` pictures of each emotion, with splits of its own or without."""
    for i, emotion in enumerate(MIKELS_8):
        for j in range(count):
            prefix = ("train/", "val/", "test/")[j % 3] if splits else ""
            paint(root / f"{prefix}{emotion}" / f"{j:02d}.png", 1000 * i + j)
    return root


def write_hf(root: Path) -> Path:
    """A dataset that the datasets library saved itself: 40, 16 and 16 pictures with a scene."""
    import datasets

    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(MIKELS_8)),
            "scene": datasets.Value("string"),
        }
    )
    splits = {}
    for place, (name, count) in enumerate({"train": 40, "validation": 16, "test": 16}.items()):
        columns = {
            "image": [noise(100 * place + i) for i in range(count)],
            "label": [i % len(MIKELS_8) for i in range(count)],
            "scene": [f"scene {i}" for i in range(count)],
        }
        splits[name] = datasets.Dataset.from_dict(columns, features=features)
    datasets.DatasetDict(splits).save_to_disk(str(root))
    return root


def write_index(root: Path) -> Path:
    """A JSON-lines file of the pictures of :func:`write_folder`, with paths relative to it."""
    write_folder(root, splits=True, count=9)
    lines = [
        {"split": file.parts[-3], "label": file.parts[-2], "image": file.relative_to(root).as_posix()}
        for file in sorted(root.rglob("*.png"))
    ]
    (root / "index.jsonl").write_text(
        "".join(json.dumps({**line, "attributes": ATTRIBUTES}) + "\n" for line in lines)
    )
    return root / "index.jsonl"


class Written(DatasetSuite):
    """A dataset of files that ``write`` puts into a folder once; ``key`` is the parameter that names it."""

    key: ClassVar[str] = "root"
    write: ClassVar[Callable[[Path], Path]]

    def parameters(self) -> Mapping[str, Any]:
        root = self.keep("written", lambda: type(self).write(self.folder / "data"))
        return {**self.params, self.key: str(root)}


class EmoSet(Written):
    """Dataset ``emoset``."""

    component = "emosym-data/emoset"
    write: ClassVar[Callable[[Path], Path]] = write_emoset


class FewLabels(EmoSet):
    """Dataset ``emoset`` with few images and fewer labels, and every file opened by the check."""

    params: ClassVar[Mapping[str, Any]] = {"limit": 32, "labelled": 8, "annotations": "eager", "verify": True}


class ImageFolder(Written):
    """Dataset ``image-folder`` with a split of its own making."""

    component = "emosym-data/image-folder"
    write: ClassVar[Callable[[Path], Path]] = write_folder


class SplitFolder(ImageFolder):
    """Dataset ``image-folder`` with the folder's splits."""

    write: ClassVar[Callable[[Path], Path]] = lambda root: write_folder(root, splits=True)


class Index(Written):
    """Dataset ``index``."""

    component = "emosym-data/index"
    key = "path"
    write: ClassVar[Callable[[Path], Path]] = write_index


class Hf(Written):
    """Dataset ``hf``."""

    component = "emosym-data/hf"
    key = "path"
    write: ClassVar[Callable[[Path], Path]] = write_hf
    params: ClassVar[Mapping[str, Any]] = {"columns": ["scene"]}


class HfCarved(Hf):
    """Dataset ``hf`` with val taken out of train."""

    params: ClassVar[Mapping[str, Any]] = {
        "splits": {"train": "train", "val": None, "test": "test"},
        "val_fraction": 0.2,
    }


class Annotations(KnowledgeSuite):
    """Knowledge ``annotations``, the template over attributes."""

    component = "emosym-data/annotations"


class ShuffledField(Annotations):
    """Knowledge ``annotations``, one annotation as it is, given to another image each (the control)."""

    params: ClassVar[Mapping[str, Any]] = {"field": "reasoning", "shuffle": True}


class Jsonl(KnowledgeSuite):
    """Knowledge ``jsonl``, with texts for all samples but one."""

    component = "emosym-data/jsonl"

    def parameters(self) -> Mapping[str, Any]:
        file = self.folder / "texts.jsonl"
        lines = [{"id": one.id, "text": one.attributes["reasoning"]} for one in self.samples()[1:]]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return {"path": file}


class BackboneKnowledge(KnowledgeSuite):
    """Knowledge ``backbone``, with the kit's own backbone."""

    component = "emosym-data/backbone"


class OpenAI(KnowledgeSuite):
    """Knowledge ``openai``, asked of a small endpoint on this machine."""

    component = "emosym-data/openai"

    def parameters(self) -> Mapping[str, Any]:
        endpoint = self.keep("endpoint", LocalEndpoint)
        return {"model": "none", "base_url": endpoint.url, "key": None}
