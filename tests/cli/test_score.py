"""``emosym score`` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Command


def test_predictions_come_out_as_a_table_as_json_and_as_a_file(emosym: Command, tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text("id,label,prediction\n1,awe,awe\n2,fear,anger\n3,anger,anger\n")
    table = emosym("score", "--predictions", file)
    assert table.status == 0
    assert "3 predictions of" in table.out
    assert "protocol predicted-names, version 1" in table.out
    assert "Accuracy                   66.7 %" in table.out
    found = json.loads(emosym("score", "--predictions", file, "--json", "--out", tmp_path / "out").out)
    assert found["results"]["accuracy"] == pytest.approx(2 / 3)
    assert json.loads((tmp_path / "out" / "score.json").read_text()) == found


def test_nothing_two_things_and_unknown_layouts_are_refused(emosym: Command, tmp_path: Path) -> None:
    for words, said in (
        ((), "nothing to measure"),
        ((tmp_path, "--csv", tmp_path / "a.csv"), "more than one thing to measure"),
        ((tmp_path, "--layout", "emotion-folder"), 'did you mean "emotion-folders"?'),
    ):
        refused = emosym("score", *words)
        assert refused.status == 2
        assert said in refused.err
