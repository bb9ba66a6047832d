"""Images that join the originals, and images that a person takes out."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
from emosym_memory.config import SqlConfig
from emosym_memory.in_memory import InMemoryBank
from emosym_memory.ledger import replay
from emosym_memory.sql import SqlBank
from emosym_registry import EmosymError

from emosym.contracts import Context, replay as replay_any

from .banks import CONFIDENCES, LABELS, ORIGINALS, Make, candidate


def test_added_images_join_and_mask_nothing(make: Make) -> None:
    bank = make(mode="add", fraction=0.2)
    done = bank.refresh(1, [candidate(i, i % 2, 0.9) for i in range(6)], CONFIDENCES)
    # ⌊0.2·20⌋ = 4 images, two of each emotion.
    assert (len(done.admitted), list(done.replaced), done.size, done.fraction) == (4, [], 4, 0.2)
    view = bank.view(ORIGINALS)
    assert view[:20] == ORIGINALS
    assert [sample.id for sample in view[20:]] == list(done.admitted)
    assert {line.action for line in bank.ledger()} == {"refresh", "admit", "refuse"}
    assert replay(bank.ledger()) == bank.state()


@pytest.mark.parametrize("policy", ["paper", "emosym"])
def test_added_images_are_a_share_of_all_pictures_and_replacing_ones_of_the_labelled(
    policy: str, tmp_path: Path
) -> None:
    originals = [replace(one, label=one.label if i < 4 else None) for i, one in enumerate(ORIGINALS)]
    confidences = {one.id: CONFIDENCES[one.id] for one in originals[:4]}
    held = {}
    for mode in ("replace", "add"):
        bank = SqlBank(
            SqlConfig(mode=mode, policy=policy, fraction=0.5), Context(LABELS, run=tmp_path / mode)
        )
        bank.view(originals)
        done = bank.refresh(1, [candidate(i, i % 2, 0.9) for i in range(14)], confidences)
        held[mode] = (len(done.admitted), done.fraction)
        bank.close()
    assert held == {"replace": (2, 0.5), "add": (10, 0.5)}


def test_a_full_bank_that_adds_still_takes_a_better_image(make: Make) -> None:
    bank = make(mode="add", fraction=0.1)
    bank.refresh(1, [candidate(1, 0, 0.7), candidate(2, 1, 0.9)], CONFIDENCES)
    worse = bank.refresh(2, [candidate(3, 0, 0.6)], CONFIDENCES)
    assert not worse.admitted
    better = bank.refresh(3, [candidate(4, 0, 0.8)], CONFIDENCES)
    assert (len(better.admitted), better.size) == (1, 2)
    assert [line.action for line in bank.ledger()][-3:] == ["refresh", "evict", "admit"]


def test_a_bank_made_to_replace_is_not_opened_to_add(tmp_path: Path) -> None:
    SqlBank(SqlConfig(), Context(LABELS, run=tmp_path)).close()
    with pytest.raises(EmosymError, match="made with mode replace, this run has add"):
        SqlBank(SqlConfig(mode="add"), Context(LABELS, run=tmp_path))
    with sqlite3.connect(tmp_path / "bank.db") as connection:  # as a bank was before there were modes
        connection.execute("DELETE FROM facts WHERE key = 'mode'")
        connection.execute("DROP TABLE hidden")
    connection.close()
    with pytest.raises(EmosymError, match="made with mode replace"):
        SqlBank(SqlConfig(mode="add"), Context(LABELS, run=tmp_path))
    SqlBank(SqlConfig(), Context(LABELS, run=tmp_path)).close()


@pytest.mark.parametrize("mode", ["replace", "add"])
def test_a_masked_image_keeps_its_place_and_gives_its_original_back(make: Make, mode: str) -> None:
    bank = make(mode=mode, fraction=0.2)
    done = bank.refresh(1, [candidate(i, 0, 0.9 - i / 100) for i in range(2)], CONFIDENCES)
    first, second = done.admitted
    bank.mask(first, "a watermark")
    view = [sample.id for sample in bank.view(ORIGINALS)]
    assert first not in view
    assert second in view
    assert "o00" in view
    # The quota of two is still taken: neither a worse image nor the original's place is free.
    later = bank.refresh(2, [candidate(9, 0, 0.6)], CONFIDENCES)
    assert not later.admitted
    assert later.size == 1
    assert [one.id for one in bank.held()] == [second]
    bank.unmask(first, "none after all")
    assert [one.id for one in bank.held()] == [first, second]
    bank.rollback("no good")
    # What was there before the second refresh: the first image still masked.
    assert [one.id for one in bank.held()] == [second]


def test_a_reopened_bank_knows_what_was_masked(make: Make) -> None:
    bank = make(fraction=0.2)
    image = bank.refresh(1, [candidate(1, 0, 0.9)], CONFIDENCES).admitted[0]
    bank.mask(image, "a watermark")
    if isinstance(bank, InMemoryBank):
        pytest.skip("a bank in memory is gone when it is closed")
    bank.close()
    again = make(fraction=0.2)
    assert again.held() == []
    assert again.view(ORIGINALS) == ORIGINALS
    again.unmask(image, "none")
    assert [one.id for one in again.held()] == [image]


def test_an_image_that_is_not_there_is_named_with_those_that_are(make: Make) -> None:
    bank = make()
    with pytest.raises(EmosymError, match="'bank/none' is not in the bank"):
        bank.mask("bank/none", "why")
    image = bank.refresh(1, [candidate(1, 0, 0.9)], CONFIDENCES).admitted[0]
    with pytest.raises(EmosymError, match="is not masked"):
        bank.unmask(image, "why")
    assert bank.ledger()[-1].action == "admit"


def test_a_history_of_many_roll_backs_is_replayed_in_a_moment(make: Make) -> None:
    """Every roll-back goes to a line whose state depends on earlier ones: replayed each anew, sixty would take for ever."""
    bank = make(fraction=0.4)
    for step in range(60):
        bank.refresh(step, [candidate(step, step % 2, 0.9)], CONFIDENCES)
        if step:
            bank.rollback("worse")
    ledger = bank.ledger()
    started = time.perf_counter()
    state = replay(ledger)
    assert time.perf_counter() - started < 5
    assert state == bank.state()
    assert replay_any(ledger).shown == [one.id for one in state.shown]
    assert [number for number, _ in replay_any(ledger).refreshes] == list(state.refreshes)
