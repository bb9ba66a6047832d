"""What the view, the ledger, snapshots and rollbacks say of a bank's past."""

from __future__ import annotations

import numpy as np
import pytest
from emosym_memory.in_memory import InMemoryBank
from emosym_memory.ledger import replay
from emosym_registry import EmosymError

from emosym.contracts import open_image

from .banks import CONFIDENCES, ORIGINALS, Make, candidate


def test_view_is_the_unmasked_originals_then_the_admitted_images(make: Make) -> None:
    bank = make(policy="paper", fraction=0.1)
    offered = [candidate(1, 0, 0.9), candidate(2, 1, 0.8)]
    bank.refresh(5, offered, CONFIDENCES)
    view = bank.view(ORIGINALS)
    assert [sample.id for sample in view[:18]] == [f"o{i:02d}" for i in range(2, 20)]
    assert [(sample.label, sample.generated) for sample in view[18:]] == [(0, True), (1, True)]
    for sample, one in zip(view[18:], offered, strict=True):
        assert sample.id.startswith("bank/")
        assert np.array_equal(np.asarray(sample.open()[0]), np.asarray(one.generated.image))
        assert isinstance(sample.images[0], bytes)
        assert open_image(sample.images[0]).size == (8, 8)
        assert sample.attributes["scene"] == "beach"
        assert sample.attributes["generated"]["seed"] == one.generated.seed
        assert sample.attributes["generated"]["settings"] == {"steps": 4, "scale": 1.5}
        assert sample.attributes["generated"]["age"] == 0


def test_the_replayed_ledger_is_the_live_state(make: Make) -> None:
    bank = make(fraction=0.2, max_age=2)
    marks = []
    for step in range(5):
        bank.refresh(
            step,
            [candidate(10 * step + i, i % 2, 0.5 + ((i + step) % 5) / 10) for i in range(6)],
            CONFIDENCES,
        )
        marks.append(bank.snapshot())
        if step == 2:
            bank.rollback("validation accuracy fell")
        if step == 3:
            bank.restore(marks[0])
    ledger = bank.ledger()
    assert [line.number for line in ledger] == list(range(1, len(ledger) + 1))
    assert replay(ledger) == bank.state()
    assert {line.action for line in ledger} == {
        "refresh",
        "replace",
        "evict",
        "admit",
        "refuse",
        "rollback",
        "restore",
    }
    assert all(line.reason for line in ledger)


def test_a_reopened_database_holds_the_same(make: Make) -> None:
    bank = make(fraction=0.2)
    if isinstance(bank, InMemoryBank):
        pytest.skip("a bank in memory is gone when it is closed")
    bank.refresh(1, [candidate(i, i % 2, 0.9, 0.8, (1.0 * i, 2.0)) for i in range(4)], CONFIDENCES)
    state, ledger, view, mark = bank.state(), bank.ledger(), bank.view(ORIGINALS), bank.snapshot()
    bank.close()
    again = make(fraction=0.2)
    assert (again.state(), again.ledger(), again.view(ORIGINALS)) == (state, ledger, view)
    again.rollback("it was no good")
    again.restore(mark)
    assert again.view(ORIGINALS) == view


def test_rollback_undoes_one_refresh_after_another(make: Make) -> None:
    bank = make(fraction=0.4)
    states = [bank.state()]
    for step in (1, 2):
        bank.refresh(step, [candidate(step, 0, 0.9)], CONFIDENCES)
        states.append(bank.state())
    bank.rollback("worse")
    assert bank.state() == states[1]
    bank.rollback("worse still")
    assert bank.state() == states[0]
    assert bank.view(ORIGINALS) == ORIGINALS
    with pytest.raises(EmosymError, match="nothing to roll back"):
        bank.rollback("once more")


def test_an_image_can_come_back_after_a_rollback(make: Make) -> None:
    bank = make(fraction=0.4)
    first = bank.refresh(1, [candidate(1, 0, 0.9)], CONFIDENCES)
    assert (
        bank.refresh(2, [candidate(1, 0, 0.9)], CONFIDENCES).refused[0][1]
        == "the very same image is in the bank"
    )
    bank.rollback("worse")
    bank.rollback("worse")
    assert bank.refresh(3, [candidate(1, 0, 0.9)], CONFIDENCES).admitted == first.admitted


def test_a_resumed_run_repeats_a_refresh_with_the_same_result(make: Make) -> None:
    """The snapshot of the checkpoint is restored, perhaps in another process, and the step comes again."""
    candidates = [candidate(i, i % 2, 0.9 - i / 100, 0.8, (3.0 * i, 1.0)) for i in range(6)]
    bank = make(fraction=0.2)
    bank.refresh(1, candidates[:2], CONFIDENCES)
    mark = bank.snapshot()
    first, state, view = bank.refresh(2, candidates, CONFIDENCES), bank.state(), bank.view(ORIGINALS)
    assert first.admitted
    if not isinstance(bank, InMemoryBank):
        bank.close()
        bank = make(fraction=0.2)
    bank.restore(mark)
    assert bank.refresh(2, candidates, CONFIDENCES) == first
    assert bank.view(ORIGINALS) == view
    assert bank.state().masked == state.masked
    numbers = [line.number for line in bank.ledger()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_snapshot_and_restore(make: Make) -> None:
    bank = make(fraction=0.4)
    empty = bank.snapshot()
    bank.refresh(1, [candidate(1, 0, 0.9)], CONFIDENCES)
    full, state = bank.snapshot(), bank.state()
    bank.restore(empty)
    assert bank.state().held == ()
    bank.restore(full)
    assert bank.state() == state
    assert bank.snapshot() != full  # history went on
    with pytest.raises(EmosymError, match="no snapshot 'nonsense'"):
        bank.restore("nonsense")
