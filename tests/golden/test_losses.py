"""Twenty seeded steps of every stage and preset give the losses and the weights that they gave before."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("record", HERE / "record.py")
assert _spec is not None
assert _spec.loader is not None
record = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(record)


def _once(preset: str) -> object:
    """The presets that `make test` leaves out: a minute each, and one shows a change of what they share."""
    return pytest.param(preset, marks=[] if preset == "emosym" else [pytest.mark.slow])


@pytest.mark.parametrize("preset", map(_once, record.PRESETS))
def test_seeded_losses_and_weights_have_not_moved(preset: str, tmp_path: Path) -> None:
    golden = json.loads((record.LOSSES / f"{preset}.json").read_text(encoding="utf-8"))
    found = record.losses_of(preset, tmp_path / "run")
    for stage, wanted in golden["stages"].items():
        assert len(wanted["losses"]) == record.STEPS
        if found["machine"] == golden["machine"]:
            assert found["stages"][stage] == wanted, stage
        else:  # other processors round otherwise, and twenty steps let that grow
            assert found["stages"][stage]["losses"] == pytest.approx(wanted["losses"], rel=0.05), stage
