"""Pictures and texts made by chance, and the settings that put them in place of all that would be downloaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from emosym.contracts.labels import MIKELS_8


def made_data(folder: Path, side: int, train: int) -> list[str]:
    """Write at least ``train`` pictures to learn from and their texts; what of the paper's spec they replace."""
    root, texts = pictures(folder / "pictures", side, train), folder / "texts.jsonl"
    rows = [
        {"image": f"{path.relative_to(root)}", "text": f"picture {i}"}
        for i, path in enumerate(sorted(root.rglob("*.jpg")))
    ]
    texts.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return [
        f"data={{name: image-folder, params: {{root: {root}}}}}",
        f"knowledge={{name: jsonl, params: {{path: {texts}}}}}",
        "text_encoder.params={model: tiny, pretrained: null}",
        "memory=null", "judges={evaluate: null}", "metrics=[accuracy]", "stages.unify.refresh=null",
    ]  # fmt: skip


def pictures(folder: Path, side: int, train: int) -> Path:
    """Pictures of soft colours of every emotion, as heavy to decode as photographs, in the layout of ``image-folder``."""
    draw = np.random.default_rng(0)
    each = max(1, -(-train // len(MIKELS_8)))
    for split, count in (("train", each), ("val", 1), ("test", 1)):
        for label in MIKELS_8:
            (folder / split / label).mkdir(parents=True)
            for i in range(count):
                coarse = Image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8))
                coarse.resize((side, side), Image.Resampling.BICUBIC).save(
                    folder / split / label / f"{i}.jpg"
                )
    return folder
