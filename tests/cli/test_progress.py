from __future__ import annotations

import io
from pathlib import Path

import pytest

from emosym.contracts import Refresh
from emosym.experiment import progress
from emosym.experiment.progress import PlainProgress, Rate, show_progress


def test_the_rate_is_that_of_the_last_steps() -> None:
    rate = Rate(steps=200, step=0, now=0.0)
    for step in range(1, 51):
        rate.reached(step, 10.0 * step)
    for step in range(51, 101):
        rate.reached(step, 500.0 + (step - 50) / 2)
    assert rate.per_second == pytest.approx(2.0)
    assert rate.left == pytest.approx(50.0)
    assert str(rate) == "2.0 steps/s, 0:50 left"


def test_a_resumed_stage_counts_only_its_own_steps() -> None:
    rate = Rate(steps=100, step=90, now=0.0)
    rate.reached(91, 4.0)
    assert str(rate) == "4.0 s/step, 0:36 left"


def test_before_the_first_step_there_is_no_rate_to_show() -> None:
    assert str(Rate(steps=10, step=0, now=0.0)) == "…"


def test_logs_get_a_line_every_ten_seconds_and_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(float(second) for second in range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    stream = io.StringIO()
    with show_progress(stream) as shown:
        assert isinstance(shown, PlainProgress)
        shown.emosym_stage_started(Path(), "compress", 25, 0)
        for step in range(1, 26):
            shown.emosym_step_finished(Path(), "compress", step, {"loss": 0.5})
        shown.emosym_stage_finished(Path(), "compress", {"seconds": 21.4, "accuracy": 0.8125})
    assert stream.getvalue().splitlines() == [
        "compress: 25 steps",
        "compress: 10/25, 1.0 steps/s, 0:15 left, loss 0.500",
        "compress: 20/25, 1.0 steps/s, 0:05 left, loss 0.500",
        "compress: done in 0:21, accuracy 0.812",
    ]


def test_a_refresh_of_the_bank_is_one_line() -> None:
    stream = io.StringIO()
    done = Refresh(40, ["g1", "g2"], ["o1", "o2"], [("g3", "too near")], 2, 0.031)
    PlainProgress(stream).emosym_bank_refreshed(Path(), 40, done)
    assert stream.getvalue() == (
        "bank: step 40: 2 admitted, 2 originals replaced, 1 refused; 3.1 % of the training set is generated\n"
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with show_progress(stream) as shown:
        shown.emosym_stage_started(Path(), "unify", 4, 0)
        shown.emosym_step_finished(Path(), "unify", 1, {"loss": 0.5})
        shown.emosym_step_finished(Path(), "unify", 2, {"loss": 0.25})
        shown._bars.refresh()
        shown.emosym_stage_finished(Path(), "unify", {"seconds": 65.0, "accuracy": 0.75})
    text = stream.getvalue()
    assert "2/4" in text
    assert "left, loss 0.250" in text
    assert "unify: done in 1:05, accuracy 0.750" in text


def test_a_stage_that_another_run_trained_says_so_with_the_time_of_its_training() -> None:
    stream = io.StringIO()
    PlainProgress(stream).emosym_stage_finished(Path(), "compress", {"seconds": 226.4, "taken": "0123"})
    assert stream.getvalue() == "compress: taken, trained in 3:46\n"
