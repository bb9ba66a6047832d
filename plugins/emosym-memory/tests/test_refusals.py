"""What no bank takes, and that nothing of it stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from emosym_memory.config import InMemoryConfig
from emosym_memory.in_memory import InMemoryBank
from emosym_registry import EmosymError

from emosym.contracts import Context

from .banks import CONFIDENCES, LABELS, ORIGINALS, Make, candidate


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bank/0123": 0.4}, "bank/0123 are no originals"),
        ({"o03": float("nan")}, r"o03 are not within \[0, 1\]"),
    ],
)
def test_confidences_must_be_those_of_the_originals(
    make: Make, change: dict[str, float], message: str
) -> None:
    bank = make()
    with pytest.raises(EmosymError, match=message):
        bank.refresh(1, [candidate(1, 0, 0.9)], {**CONFIDENCES, **change})
    assert bank.ledger() == []


def test_bad_candidates_are_errors_and_leave_nothing(make: Make) -> None:
    bank = make()
    good = candidate(1, 0, 0.9)
    for bad, message in (
        (replace(good, scores={"judge": 0.9}), 'score "model" is missing'),
        (replace(good, scores={"model": 1.5}), "not within"),
        (replace(good, features=(float("inf"),)), "not finite"),
        (replace(good, generated=replace(good.generated, label=2)), "label 2 is not one of 2"),
    ):
        with pytest.raises(EmosymError, match=message):
            bank.refresh(1, [good, bad], CONFIDENCES)
    assert bank.ledger() == []


def test_other_originals_are_refused(make: Make) -> None:
    bank = make()
    with pytest.raises(EmosymError, match=r"1 gone \(o19\)"):
        bank.view(ORIGINALS[:-1])
    with pytest.raises(EmosymError, match=r"1 with another label \(o00\)"):
        bank.view([replace(ORIGINALS[0], label=1), *ORIGINALS[1:]])


def test_a_refresh_before_the_first_view_is_refused() -> None:
    with pytest.raises(EmosymError, match="does not know the originals"):
        InMemoryBank(InMemoryConfig(), Context(LABELS)).refresh(1, [], {})


def test_a_closed_bank_is_refused(make: Make) -> None:
    bank = make()
    bank.close()
    for use in (
        bank.ledger,
        bank.snapshot,
        lambda: bank.view(ORIGINALS),
        lambda: bank.refresh(1, [], CONFIDENCES),
    ):
        with pytest.raises(EmosymError, match="closed"):
            use()
