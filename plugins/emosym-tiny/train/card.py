"""The model card, written from the figures that the training stages measured."""

from __future__ import annotations

import json
from typing import Any

from train.figures import FIGURES, WEIGHTS

CARD = FIGURES.parents[1] / "MODEL_CARD.md"

INTRODUCTION = """# Model card: the embedded models

Small instances of the real transformers, diffusers and open_clip classes. All but `sentence` are trained from scratch on
renders of the embedded world alone: no downloaded weights, no photographs, no people. They exist so that every part of
emosym can be run, tested and compared on two CPU cores. They know ten scenes, fourteen objects, brightness and colourfulness;
of real photographs they know nothing.

*Pretraining* sees pictures whose attributes are drawn uniformly, with captions that name what is there. No emotion label
and no word of affect is in them (`tests/test_world.py` holds that). Only the two judges learn emotions, each from labelled
pictures of its own, apart from each other's and from those of any dataset that the plugin offers.

`sentence` is a text tower that imitates all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0) on texts of the world, and what it
knows of words of feeling is what that model knows of them. Its training sees no label: scene, object, light, reason and the
emotion that some texts name are each drawn on their own, so that no text says which of them belong together. It has one token
for each word of those texts and knows no other word: whatever else a text says reads as one token for unknown words, and
the component warns of it once. The probes in its table read the emotion that a text argues for (blind rationales, one in five
for another emotion than its picture's) by a linear model over standardised features, on 2,000 other texts, over five draws of
the labelled texts: beside this tower's, MiniLM's own and the embedded CLIP's.

*Licence* Apache-2.0, weights included. *Make them again*: `python -m train` in this folder (hours on two cores, resumable;
fixed seeds; the arithmetic of another machine may differ in the last bits; `sentence` needs MiniLM and says how to get it).
*Steps* below are the ones the shipped weights had.
"""


def write_card() -> None:
    """Write ``MODEL_CARD.md`` from ``figures/*.json`` and the sizes of the weight folders."""
    lines = [INTRODUCTION, "## Sizes\n", "| folder | MB |", "|---|---|"]
    total = 0
    for folder in sorted(path for path in WEIGHTS.iterdir() if path.is_dir()):
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        total += size
        lines.append(f"| `{folder.name}` | {size / 1e6:.1f} |")
    lines.append(f"| together | {total / 1e6:.1f} |\n")
    for path in sorted(FIGURES.glob("*.json")):
        figures: dict[str, Any] = json.loads(path.read_text())
        lines += [f"## {path.stem}\n", "| figure | value |", "|---|---|"]
        lines += [f"| {key.replace('_', ' ')} | {_shown(value)} |" for key, value in figures.items()]
        lines.append("")
    CARD.write_text("\n".join(lines).rstrip() + "\n")
    print(CARD.name)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    if isinstance(value, str):
        return f"`{value}`"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
