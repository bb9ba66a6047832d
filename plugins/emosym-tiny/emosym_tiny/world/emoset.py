"""Writes the world as a folder in the layout of EmoSet-118K, so that whatever reads EmoSet reads it."""

from __future__ import annotations

import hashlib
import io
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from emosym.toolkit import json_text, written_whole

from .distribution import Attributes, World
from .language import argued_emotion, caption, rationale_for
from .render import render_many
from .vocabulary import EMOTIONS, OBJECTS, SCENES

INFO_EMOTIONS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
"""The order of EmoSet's own info.json, which is not the alphabetical order of EMOTIONS."""

JPEG_QUALITY = 95
BLOCK = 2048
"""Pictures rendered at a time, which bounds the memory of large worlds."""


def write_emoset(
    out: Path,
    *,
    train: int,
    val: int,
    test: int,
    seed: int,
    size: int = 64,
    wrong: float = 0.0,
    workers: int = 2,
) -> dict[str, Any]:
    """Write train + val + test pictures of size x size pixels under `out`; return the manifest (world.json).

    `wrong` is the share of rationales that argue for another emotion. A failure leaves nothing behind.
    Errors: FileExistsError where `out` is in use, ``files.disk-full``, ``run.cannot-write``.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is not an empty folder; name a new one or remove it")
    splits = {"train": train, "val": val, "test": test}
    with written_whole(out) as root:
        return _write(root, splits, seed, size, wrong, workers)


def _write(
    root: Path, splits: dict[str, int], seed: int, size: int, wrong: float, workers: int
) -> dict[str, Any]:
    world = World()
    sampling, wording, drawing = np.random.SeedSequence(seed).spawn(3)
    total = sum(splits.values())
    samples = world.sample(total, np.random.default_rng(sampling))
    for emotion in EMOTIONS:
        for kind in ("image", "annotation"):
            (root / kind / emotion).mkdir(parents=True)

    annotations, wrong_count = _annotations(samples, np.random.default_rng(wording), wrong)
    digests: dict[str, str] = {}
    for block, block_seed in enumerate(drawing.generate_state(total // BLOCK + 1).tolist()):
        rows = slice(block * BLOCK, (block + 1) * BLOCK)
        pixels = render_many([attributes for attributes, _ in samples[rows]], block_seed, size, workers)
        for annotation, picture in zip(annotations[rows], pixels, strict=True):
            digests |= _write_sample(root, annotation, picture)

    index = iter([[annotation["emotion"], *_paths(annotation)] for annotation in annotations])
    for name, length in splits.items():
        _write_json(root / f"{name}.json", list(islice(index, length)))
    _write_json(root / "info.json", label_maps())
    manifest = {
        "world": 1,
        "seed": seed,
        "size": size,
        "columns": 3,
        "splits": splits,
        "emotions": list(EMOTIONS),
        "counts": {name: sum(e == i for _, e in samples) for i, name in enumerate(EMOTIONS)},
        "bayes_accuracy": world.bayes_accuracy,
        "wrong": wrong,
        "wrong_count": wrong_count,
        "sha256": _combine(digests),
    }
    _write_json(root / "world.json", manifest)
    return manifest


def label_maps() -> dict[str, dict[str, dict[str, Any]]]:
    """The content of info.json: EmoSet's keys with this world's labels; it has no faces and actions."""
    tenths = [step / 10 for step in range(11)]
    return {
        "emotion": _label_map(INFO_EMOTIONS),
        "brightness": _label_map(tenths),
        "colorfulness": _label_map(tenths),
        "scene": _label_map(sorted(SCENES)),
        "facial_expression": _label_map(()),
        "human_action": _label_map(()),
        "object": _label_map(sorted(OBJECTS)),
    }


def _label_map(labels: Any) -> dict[str, dict[str, Any]]:
    return {
        "label2idx": {str(label): index for index, label in enumerate(labels)},
        "idx2label": {str(index): label for index, label in enumerate(labels)},
    }


def _annotations(
    samples: list[tuple[Attributes, int]], rng: np.random.Generator, wrong: float
) -> tuple[list[dict[str, Any]], int]:
    annotations, wrong_count = [], 0
    # EmoSet numbers the pictures of each emotion on their own.
    numbers = [count(1) for _ in EMOTIONS]
    for attributes, emotion in samples:
        # Both rationales argue for the same emotion: a mistaken annotator is mistaken in both.
        argued = argued_emotion(emotion, rng, wrong)
        wrong_count += argued != emotion
        annotations.append(
            {
                "image_id": f"{EMOTIONS[emotion]}_{next(numbers[emotion]):05d}",
                "emotion": EMOTIONS[emotion],
                "brightness": round(attributes.brightness, 1),
                "colorfulness": round(attributes.colorfulness, 1),
                "scene": attributes.scene_name,
                "object": [attributes.object_name],
                "caption": caption(attributes, rng),
                "reasoning": rationale_for(attributes, argued, rng, name_emotion=True),
                "reasoning_blind": rationale_for(attributes, argued, rng, name_emotion=False),
            }
        )
    return annotations, wrong_count


def _paths(annotation: dict[str, Any]) -> tuple[str, str]:
    emotion, name = annotation["emotion"], annotation["image_id"]
    return f"image/{emotion}/{name}.jpg", f"annotation/{emotion}/{name}.json"


def _write_sample(root: Path, annotation: dict[str, Any], picture: npt.NDArray[np.uint8]) -> dict[str, str]:
    image_path, annotation_path = _paths(annotation)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    contents = {image_path: buffer.getvalue(), annotation_path: json_text(annotation).encode()}
    for path, content in contents.items():
        (root / path).write_bytes(content)
    return {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}


def _combine(digests: dict[str, str]) -> str:
    """One sha256 over every "path digest" line in sorted order."""
    lines = "".join(f"{path} {digest}\n" for path, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json_text(content), encoding="utf-8")
