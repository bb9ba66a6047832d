"""What the tests of the banks share: a training set of twenty originals, and candidates for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from emosym_memory.bank import Bank
from PIL import Image

from emosym.contracts import Candidate, Generated, LabelSet, Sample

LABELS = LabelSet.of(["awe", "fear"])


ORIGINALS = [Sample(f"o{i:02d}", (Path(f"{i}.jpg"),), i % 2) for i in range(20)]


CONFIDENCES = {sample.id: 0.2 + i / 40 for i, sample in enumerate(ORIGINALS)}
"""o00 is the least confident, then o01 and so on."""


Make = Callable[..., Bank]


def candidate(
    seed: int, label: int, model: float, judge: float | None = None, features: Sequence[float] = ()
) -> Candidate:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    generated = Generated(
        Image.fromarray(pixels), label, seed, f"a picture {seed}", {"steps": 4, "scale": np.float32(1.5)}
    )
    scores = {"model": model} if judge is None else {"model": model, "judge": judge}
    return Candidate(generated, scores, features, "abc", {"scene": "beach"})


def mapped(bank: Bank) -> dict[str, str]:
    return bank.state().masked
