"""Images of given emotions from a system, for the bank and for evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from emosym.contracts import Generated
from emosym.pictures import to_image
from emosym.system import System


def paint_labels(
    system: System,
    labels: Sequence[int],
    seeds: Sequence[int],
    prompt: str,
    *,
    steps: int | None = None,
    guidance_scale: float | None = None,
    batch_size: int = 32,
) -> list[Generated]:
    """One image a label, from the emotion space."""
    made: list[Generated] = []
    eye = torch.eye(len(system.labels))
    settings = {"steps": steps, "guidance_scale": guidance_scale}
    for start in range(0, len(labels), batch_size):
        part, own = labels[start : start + batch_size], seeds[start : start + batch_size]
        states = system.draw_states(eye[list(part)], own)
        pixels = system.paint(states, [prompt] * len(part), own, steps=steps, guidance_scale=guidance_scale)
        made += [
            Generated(to_image(x), label, seed, prompt, settings)
            for x, label, seed in zip(pixels, part, own, strict=True)
        ]
    return made
