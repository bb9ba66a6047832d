"""Small folders in the layouts that the readers know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_data.conformance import write_emoset, write_folder


@pytest.fixture
def emoset(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder in EmoSet's layout: 5 + 2 + 2 images of each emotion."""

    def write(columns: int = 3, name: str = "emoset") -> Path:
        return write_emoset(tmp_path / name, columns)

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a picture folder of twenty images an emotion, with splits of its own or without."""

    def write(splits: bool = False, count: int = 20) -> Path:
        return write_folder(tmp_path / "folder", splits, count)

    return write
