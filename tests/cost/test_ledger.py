"""What is on disk is not computed again."""

from __future__ import annotations

import pytest

from emosym.contracts import Operations
from emosym.cost.ledger import Ledger, Shelf


def test_a_shelf_with_room_computes_each_picture_once() -> None:
    shelf = Shelf(100, 1.0)
    assert shelf.misses(50) == 50
    assert shelf.misses(100) == 50
    assert shelf.misses(1000) == 0


def test_a_shelf_with_room_for_a_quarter_spares_a_quarter_of_every_epoch_but_the_first() -> None:
    shelf = Shelf(100, 0.25)
    assert shelf.misses(300) == 100 + 2 * 75
    assert shelf.misses(100) == 75


@pytest.mark.parametrize("shelf", [Shelf(100, 0.0), Shelf(0, 1.0)])
def test_a_shelf_without_room_or_pictures_spares_nothing(shelf: Shelf) -> None:
    assert shelf.misses(300) == 300
    assert shelf.misses(300) == 300


def test_a_ledger_counts_steps_and_what_is_beside_them() -> None:
    ledger = Ledger({("prefixes", "train"): Shelf(20, 1.0)})
    parts = {"prompt": Operations(10, 0, "prefixes"), "tokens": Operations(3, 4)}
    ledger.steps(parts, steps=5, pictures=8)
    ledger.beside("reading", {"prompt": Operations(10, 0, "prefixes"), "tokens": Operations(3)}, 20)
    ledger.beside("reading", parts, 2, "new")
    prompt, tokens, reading = ledger.parts.values()
    assert (prompt.forward, prompt.backward, prompt.total) == (80, 0, 20 * 10)
    assert (tokens.forward, tokens.backward, tokens.total) == (24, 32, 40 * 7)
    assert (reading.forward, reading.total) == (0, 20 * 3 + 2 * 17)
