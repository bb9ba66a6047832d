"""A memory bank with as many originals as there may be."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
from emosym_memory.config import InMemoryConfig
from emosym_memory.in_memory import InMemoryBank
from PIL import Image

from benchmarks.pairs import seconds
from emosym.contracts import Candidate, Context, Generated, LabelSet, Sample
from emosym.contracts.labels import MIKELS_8

OFFERED = 64


class FullBank:
    """A bank in memory that has seen ``count`` originals."""

    def __init__(self, count: int) -> None:
        self.originals = [Sample(f"{i:07d}", (Path("one.png"),), i % len(MIKELS_8)) for i in range(count)]
        draw = np.random.default_rng(0)
        self.confidences = {
            one.id: float(p) for one, p in zip(self.originals, draw.random(count), strict=True)
        }
        self.bank = InMemoryBank(InMemoryConfig(), Context(LabelSet.of(MIKELS_8)))
        self.bank.view(self.originals)
        self.step = 0

    def refresh(self) -> float:
        """Seconds of a refresh with candidates that it has not seen."""
        self.step += 1
        offered = [_candidate(self.step * OFFERED + i) for i in range(OFFERED)]
        return seconds(lambda: self.bank.refresh(self.step, offered, self.confidences))

    def view(self) -> float:
        """Seconds of a view."""
        return seconds(lambda: self.bank.view(self.originals))

    def bytes_each(self) -> float:
        """Memory that another bank takes for an original."""
        bank = InMemoryBank(InMemoryConfig(), Context(LabelSet.of(MIKELS_8)))
        tracemalloc.start()
        bank.view(self.originals)
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return taken / len(self.originals)


def _candidate(seed: int) -> Candidate:
    draw = np.random.default_rng(seed)
    picture = Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    made = Generated(picture, seed % len(MIKELS_8), seed, f"a picture {seed}", {})
    return Candidate(made, {"model": 0.9, "judge": 0.9}, tuple(draw.normal(size=32).tolist()), "abc")
