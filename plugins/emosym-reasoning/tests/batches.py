"""What a stage would tell a compressor, from given states."""

from __future__ import annotations

from typing import Any

import torch

from emosym.contracts import CompressBatch, Sample, States

HIDDEN, WIDTH, TOKENS, CLASSES = 12, 10, 3, 8


def compress_batch(
    states: States,
    knowledge: torch.Tensor | None = None,
    present: torch.Tensor | None = None,
    labels: torch.Tensor | None = None,
    **given: Any,
) -> CompressBatch:
    """What the stage compress tells of samples with these states; all have a text where there is ``knowledge``, none a
    label unless ``labels`` say so."""
    count, device = len(states), states.emotion.device
    if present is None:
        present = torch.full((count,), knowledge is not None, device=device)
    labels = torch.full((count,), -1) if labels is None else labels
    full: dict[str, Any] = {
        "samples": [Sample(f"s{index}", ()) for index in range(count)],
        "states": states,
        "logits": torch.zeros(count, CLASSES),
        "labels": labels,
        "targets": torch.eye(CLASSES)[labels.clamp_min(0)] * (labels >= 0)[:, None],
        "texts": [f"text {index}" if there else None for index, there in enumerate(present.tolist())],
        "knowledge": knowledge,
        "present": present,
        "step": 900,
        "steps": 1000,
        "layers": None,
        "read": None,
    }
    return CompressBatch(**{**full, **given})
