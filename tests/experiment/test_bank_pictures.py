from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, cast

from PIL import Image

from emosym.contracts import MIKELS_8, LedgerEntry, Sample
from emosym.experiment import summary


class Filled:
    """A bank whose two refreshes let in more pictures of the first emotions than of the last."""

    def ledger(self) -> list[LedgerEntry]:
        of = [(step, label) for step in (100, 200) for label in range(8) for _ in range(8 - label)]
        return [
            LedgerEntry(n, step, "admit", f"bank/{n}", label, "") for n, (step, label) in enumerate(of, 1)
        ]

    def view(self, originals: list[Sample]) -> list[Sample]:
        grey = Image.new("RGB", (8, 8))
        return originals + [Sample(line.image, (grey,), line.label, generated=True) for line in self.ledger()]


def test_the_report_s_pictures_of_a_refresh_are_of_all_emotions(tmp_path: Path) -> None:
    summary.write_bank(cast(Any, Filled()), [], MIKELS_8, tmp_path)
    kept = json.loads((tmp_path / "sheets" / "bank.json").read_text())
    where = {line.image: (line.step, line.label) for line in Filled().ledger()}
    counts = Counter(where[image] for image in kept)
    for step in (100, 200):
        # Fifteen are the first two of each emotion but the last, which has one; the sixteenth is a third of the first.
        assert [counts[step, label] for label in range(8)] == [3, 2, 2, 2, 2, 2, 2, 1]
