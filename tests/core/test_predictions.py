"""Files of predictions: what was written is read again, and nothing else is."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from emosym_registry import EmosymError

from emosym.predictions import Predictions, read_predictions, write_predictions

READINGS = Predictions(
    names=("awe", "a/b = Größe"),
    split="test",
    ids=("one.jpg", "zwei/ä.jpg", "7"),
    labels=np.array([1, 0, 1]),
    probabilities=np.array([[0.1, 0.9], [1 / 3, 2 / 3], [1e-300, 1.0]]),
    figures={"accuracy": np.array([1.0, 0.0, 1.0]), "x/y": np.array([np.nan, np.inf, -0.1])},
)
MADE = dataclasses.replace(
    READINGS, seeds=np.array([7, 2**40, 9]), prompts=("a street", "", "a picture\nof two lines")
)


def same(one: Predictions, other: Predictions) -> None:
    for field in dataclasses.fields(Predictions):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "figures":
            assert list(a) == list(b)
            for name in a:
                np.testing.assert_array_equal(a[name], b[name])
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        else:
            assert a == b


@pytest.mark.parametrize(
    "predictions",
    [
        READINGS,
        MADE,
        dataclasses.replace(MADE, probabilities=None),
        Predictions(("awe", "fear"), "val", (), np.zeros(0, np.int64), np.zeros((0, 2))),
    ],
)
def test_every_bit_comes_back(tmp_path: Path, predictions: Predictions) -> None:
    path = tmp_path / "split=7" / "readings.parquet"
    write_predictions(path, predictions)
    same(read_predictions(path), predictions)
    assert [file.name for file in path.parent.iterdir()] == ["readings.parquet"]


def test_the_columns_are_as_documented(tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", READINGS)
    write_predictions(tmp_path / "b", MADE)
    known = {"probability/awe": "double", "probability/a/b = Größe": "double"}
    figures = {"figure/accuracy": "double", "figure/x/y": "double"}
    made = {"id": "string", "target": "int32", "seed": "int64", "prompt": "string"}
    for name, first in (("a", {"id": "string", "label": "int32"}), ("b", made)):
        schema = pyarrow.parquet.read_schema(tmp_path / name)
        assert {field.name: str(field.type) for field in schema} == first | known | figures


def test_what_is_no_file_of_predictions_is_one_error(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    write_predictions(whole, READINGS)
    table = pyarrow.parquet.read_table(whole)
    others = {
        "nothing": b"",
        "text": b"id,label\n1,2\n" * 100,
        "cut": whole.read_bytes()[:-20],
        "torn": whole.read_bytes()[:4] + bytes(200) + whole.read_bytes()[204:],
    }
    tables = {
        "no facts": table.replace_schema_metadata({}),
        "facts of another": table.replace_schema_metadata({b"emosym": b"[1]"}),
        "no labels": table.drop_columns(["label"]),
        "an emotion less": table.drop_columns(["probability/awe"]),
        "texts": table.set_column(1, "label", pyarrow.array(["1", "2", "3"])),
        "gaps": table.set_column(1, "label", pyarrow.array([1, None, 3], pyarrow.int32())),
    }
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    for name, other in tables.items():
        pyarrow.parquet.write_table(other, tmp_path / name)
    for name in (*others, *tables, "absent"):
        with pytest.raises(EmosymError, match=f"{name}: not a whole file of predictions: .") as error:
            read_predictions(tmp_path / name)
        assert error.value.id == "predictions.unreadable"
        assert "\n" not in error.value.message
    with pytest.raises(EmosymError, match="not a whole file"):
        read_predictions(tmp_path)


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", READINGS)
    code = (
        "import sys; from emosym.predictions import read_predictions; "
        f"read_predictions({str(tmp_path / 'a')!r}); assert not {{'torch', 'scipy', 'matplotlib'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
