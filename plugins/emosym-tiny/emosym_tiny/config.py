"""Parameters of the embedded world's dataset; imports no torch."""

from __future__ import annotations

from pathlib import Path

from emosym_data import ReaderConfig
from pydantic import Field


class TinyWorldConfig(ReaderConfig):
    """How large a world, and which one: the same numbers always give the same files."""

    train: int = Field(default=4000, ge=8)
    """Training images."""
    val: int = Field(default=400, ge=8)
    """Validation images."""
    test: int = Field(default=1000, ge=8)
    """Test images."""
    seed: int = Field(default=0, ge=0)
    """Which world. Independent of the run's seed, so that runs of several seeds see the same images."""
    size: int = Field(default=64, ge=16, le=1024)
    """Side of the pictures in pixels."""
    wrong: float = Field(default=0.0, ge=0, le=1)
    """Share of the reasoning texts that argue for another emotion."""
    workers: int = Field(default=2, ge=1)
    """Processes that draw; does not change a pixel."""
    root: Path | None = None
    """Where to write it; null takes EMOSYM_CACHE, or ~/.cache/emosym, where runs share it."""
