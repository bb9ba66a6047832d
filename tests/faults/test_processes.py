"""Two processes of one run give what one gives, can be stopped and continued by any number, and fall together."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .processes import difference, launch

TOLERANCE = {"compress": 1e-4, "reinforce": 1e-3, "unify": 2e-2}
"""Largest difference of a weight: sums over two halves of a batch round otherwise, and Adam makes steps of the learning rate
(2e-3) of gradients however small."""


@pytest.mark.slow
def test_two_processes_then_one_then_two_give_what_one_gives(tmp_path: Path) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert launch(1, alone).returncode == 0
    assert "75" in launch(2, shared, "--stop", "reinforce:2").stderr
    assert launch(1, shared, "--stop", "unify:3").returncode == 75
    done = launch(2, shared)
    assert done.returncode == 0, done.stderr
    for stage, tolerance in TOLERANCE.items():
        assert difference(alone, shared, stage) < tolerance, stage
    lines = [(run / "metrics.jsonl").read_text().count("\n") for run in (alone, shared)]
    assert lines[0] == lines[1] == 13
    assert not list(shared.glob(".*"))


def test_a_process_that_fails_ends_all_of_them_with_its_message_first(tmp_path: Path) -> None:
    begun = time.monotonic()
    failed = launch(2, tmp_path / "run", "--fail", 1)
    assert failed.returncode != 0
    assert time.monotonic() - begun < 60
    errors = [line for line in failed.stderr.splitlines() if line.lower().startswith(("error", "w1", "e1"))]
    assert errors[:2] == [
        "error: this process is broken",
        "error: another process of the run has failed, and this one ends with it",
    ]


def test_a_batch_that_does_not_divide_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from emosym_registry import EmosymError, load_registry

    from emosym.experiment import run
    from emosym.spec import load_spec

    monkeypatch.setattr(run, "world", lambda: 5)
    spec = load_spec("preset:tiny", registry=load_registry()).spec
    with pytest.raises(EmosymError, match="batch_size 32 does not divide among 5 processes"):
        run.require_shares(spec)
