"""Writes the world as a folder in the layout of EmoSet-118K, so that whatever reads EmoSet reads it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from .distribution import Attributes, World
from .language import argued_emotion, caption, rationale_for
from .render import render_many
from .vocabulary import EMOTIONS, OBJECTS, SCENES

INFO_EMOTIONS: tuple[str, ...] = (
    "amusement",
    "awe",
    "contentment",
    "excitement",
    "anger",
    "disgust",
    "fear",
    "sadness",
)
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
    columns: int = 3,
) -> dict[str, Any]:
    """Write train + val + test pictures of size x size pixels under `out` and return the manifest (world.json).

    `wrong` is the share of rationales that argue for another emotion; `columns` is 3 as in EmoSet's files or 4 as
    in its README (emotion, image_id, image, annotation). Raises FileExistsError if `out` exists and is not an
    empty folder, ValueError for impossible numbers; a failure leaves nothing behind.
    """
    if columns not in (3, 4):
        raise ValueError(f"EmoSet index files have 3 or 4 columns, not {columns}")
    if min(train, val, test) < 0:
        raise ValueError(f"split sizes must not be negative: train={train}, val={val}, test={test}")
    if not 0.0 <= wrong <= 1.0:
        raise ValueError(f"the wrong rate lies in [0, 1], not {wrong}")
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is not an empty folder; name a new one or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        manifest = _write(
            work, {"train": train, "val": val, "test": test}, seed, size, wrong, workers, columns
        )
        work.chmod(0o755)
        os.replace(work, out)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return manifest


def _write(
    root: Path, splits: dict[str, int], seed: int, size: int, wrong: float, workers: int, columns: int
) -> dict[str, Any]:
    world = World()
    sampling, wording, drawing = np.random.SeedSequence(seed).spawn(3)
    total = sum(splits.values())
    samples = world.sample(total, np.random.default_rng(sampling))
    identifiers = _identifiers([emotion for _, emotion in samples])
    for emotion in EMOTIONS:
        for kind in ("image", "annotation"):
            (root / kind / emotion).mkdir(parents=True)

    annotations, wrong_count = _annotations(samples, identifiers, np.random.default_rng(wording), wrong)
    digests: dict[str, str] = {}
    block_seeds = drawing.generate_state(total // BLOCK + 1).tolist()
    for block, start in enumerate(range(0, total, BLOCK)):
        rows = range(start, min(start + BLOCK, total))
        pixels = render_many([samples[row][0] for row in rows], block_seeds[block], size, workers)
        for row, picture in zip(rows, pixels, strict=True):
            digests |= _write_sample(root, annotations[row], picture)

    index = [_index_row(annotation, columns) for annotation in annotations]
    start = 0
    for name, count in splits.items():
        _write_json(root / f"{name}.json", index[start : start + count])
        start += count
    _write_json(root / "info.json", label_maps())
    manifest = {
        "world": 1,
        "seed": seed,
        "size": size,
        "columns": columns,
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
    """The content of info.json: EmoSet's keys with this world's labels; faces and actions do not occur in it."""
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


def _identifiers(emotions: list[int]) -> list[str]:
    """EmoSet numbers the pictures of each emotion on their own."""
    seen = dict.fromkeys(range(len(EMOTIONS)), 0)
    names = []
    for emotion in emotions:
        seen[emotion] += 1
        names.append(f"{EMOTIONS[emotion]}_{seen[emotion]:05d}")
    return names


def _annotations(
    samples: list[tuple[Attributes, int]], identifiers: list[str], rng: np.random.Generator, wrong: float
) -> tuple[list[dict[str, Any]], int]:
    annotations, wrong_count = [], 0
    for (attributes, emotion), identifier in zip(samples, identifiers, strict=True):
        # Both rationales argue for the same emotion: a mistaken annotator is mistaken in both.
        argued = argued_emotion(emotion, rng, wrong)
        wrong_count += argued != emotion
        annotations.append(
            {
                "image_id": identifier,
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


def _index_row(annotation: dict[str, Any], columns: int) -> list[str]:
    middle = [annotation["image_id"]] if columns == 4 else []
    return [annotation["emotion"], *middle, *_paths(annotation)]


def _write_sample(root: Path, annotation: dict[str, Any], picture: npt.NDArray[np.uint8]) -> dict[str, str]:
    image_path, annotation_path = _paths(annotation)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    contents = {image_path: buffer.getvalue(), annotation_path: _json_bytes(annotation)}
    for path, content in contents.items():
        (root / path).write_bytes(content)
    return {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}


def _combine(digests: dict[str, str]) -> str:
    """One sha256 over every "path digest" line in sorted order."""
    lines = "".join(f"{path} {digest}\n" for path, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _json_bytes(content: Any) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _write_json(path: Path, content: Any) -> None:
    path.write_bytes(_json_bytes(content))
