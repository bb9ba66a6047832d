"""Small studies over the embedded world, and what became of their cells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from emosym_registry import Registry

from emosym.ablation.study import Study, load_study, read_study

SMALL = """\
study: 1
name: small
base: preset:tiny
seeds: 2
set:
  data.params: {train: 96, val: 24, test: 48}
  compute: {precision: fp32, device: cpu}
  stages.compress: {steps: 4, batch_size: 16}
  evaluation: {per_class: 2, sampling_steps: 4}
"""
"""The head of a study whose cells take seconds."""
Write = Callable[[str], Path]


@pytest.fixture(scope="session", autouse=True)
def _world_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOSYM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A study's file of :data:`SMALL` with these rows."""

    def write(text: str) -> Path:
        path = tmp_path / "small.yaml"
        path.write_text(SMALL + dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def load(write: Write, registry: Registry) -> Callable[[str], Study]:
    """The study of :func:`write`, checked."""
    return lambda text: load_study(*read_study(write(text)), registry)
