"""Every figure has two things that run, and a name of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.figures import all_figures


@pytest.mark.slow
def test_every_figure_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path / "cache"))
    names = []
    for figure, first, second in all_figures(tmp_path):
        first()
        second()
        names.append(figure.name)
    assert len(names) == len({*names}) >= 12
