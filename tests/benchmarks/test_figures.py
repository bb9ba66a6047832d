"""Every figure can be measured, and has a name of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.banks import FullBank
from benchmarks.figures import all_figures


@pytest.mark.slow
def test_every_figure_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOSYM_CACHE", str(tmp_path / "cache"))
    names = []
    for figure, measure in all_figures(tmp_path):
        assert measure(1).value > 0, figure.name
        names.append(figure.name)
    assert len(names) == len({*names}) >= 24


def test_a_full_bank_takes_what_it_is_offered_and_masks_as_many() -> None:
    full = FullBank(2000)
    assert full.refresh() > 0
    assert full.view() > 0
    assert len(full.bank.view(full.originals)) == 2000
    assert sum("1e" not in one.id and len(one.id) != 7 for one in full.bank.view(full.originals)) > 8
