"""Run folders read into a study, and runs that nobody planned as one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from emosym_registry import EmosymError

from emosym.ablation.results import Entry, Pair, Study, read_run, series_of
from emosym.ablation.table import results_of
from emosym.ablation.unplanned import differing, leaves, study_of
from tests.ablation.folders import NAMES, make_run, write
from tests.cli.conftest import Command, emosym  # noqa: F401 - a fixture


@pytest.fixture
def six(tmp_path: Path) -> list[Path]:
    """Two systems with three seeds each."""
    return [
        make_run(tmp_path / f"{name}{seed}", seed=seed, images=40, overrides=changed)
        for name, changed in (("a", {}), ("b", {"fusion.name": "gated"}))
        for seed in (1, 2, 3)
    ]


def test_a_run_is_read_with_each_images_own_values(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "a", seed=5, images=30))
    assert set(run.figures) == {"accuracy", "macro_f1", "ece", "warmth"}
    assert run.images["accuracy"].values.mean() == pytest.approx(run.figures["accuracy"])
    assert run.images["warmth"].ids[0] == "p0.png"
    assert (run.labels, run.split, run.facts.seed) == (NAMES, "test", 5)
    assert run.facts.parameters == {"compress": 12_345}
    assert len(run.facts.sha256) == 64
    series = series_of([run], "macro_f1")
    assert series.numbers == {5: run.figures["macro_f1"]}
    assert series.images == {}


def test_images_with_one_id_are_told_apart(tmp_path: Path) -> None:
    from emosym.predictions import Predictions, write_predictions

    folder = make_run(tmp_path / "a", images=3)
    kept = Predictions(
        NAMES, "test", ("x", "x", "y"), np.zeros(3, int), np.full((3, 3), 1 / 3), {"accuracy": np.ones(3)}
    )
    write_predictions(folder / "evaluation" / "final-readings.parquet", kept)
    assert len(set(read_run(folder).images["accuracy"].ids)) == 3


def test_what_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    unfinished = make_run(tmp_path / "unfinished", images=3)
    (unfinished / "summary.json").unlink()
    damaged = make_run(tmp_path / "damaged", images=3)
    (damaged / "summary.json").write_text("{")
    half = make_run(tmp_path / "half", images=3)
    (half / "evaluation" / "final-readings.parquet").write_bytes(b"PAR1")
    for name, id in {
        "nowhere": "run.missing",
        "empty": "run.missing",
        "unfinished": "run.unfinished",
        "damaged": "run.damaged",
        "half": "predictions.unreadable",
    }.items():
        with pytest.raises(EmosymError) as caught:
            read_run(tmp_path / name)
        assert caught.value.id == id
        assert name in str(caught.value)


def test_a_study_holds_every_row_against_the_first_on_headline_figures(six: list[Path]) -> None:
    entries = [Entry("ab"[i // 3], 1 + i % 3, run) for i, run in enumerate(six)]
    results = results_of(Study("s", entries))
    assert results.main == ("accuracy", "macro_f1", "warmth")
    assert results.others == ["ece"]
    assert [(one.first, one.second, one.figure) for one in results.differences] == [
        ("a", "b", name) for name in results.main
    ]
    assert results.differences[0].estimate is not None
    assert (results.differences[0].estimate.seeds, results.differences[0].estimate.images) == (3, 40)


def test_pairs_choose_their_figures_and_margins(six: list[Path]) -> None:
    entries = [Entry("ab"[i // 3], 1 + i % 3, run) for i, run in enumerate(six)]
    pair = Pair("b", "a", figures=["ece"], margins={"ece": 0.5})
    (found,) = results_of(Study("s", entries, [pair], figures=["accuracy"])).differences
    assert (found.figure, found.margin) == ("ece", 0.5)
    assert found.equivalence_corrected is not None
    assert found.equivalence_corrected < 0.05


@pytest.mark.parametrize(
    ("pair", "figures", "id"),
    [
        (Pair("a", "c"), None, "study.unknown-row"),
        (Pair("a", "b", figures=["acuracy"]), None, "study.unknown-figure"),
        (Pair("a", "b", margins={"x": 0.1}), None, "study.unknown-figure"),
        (Pair("a", "b"), ["nothing"], "study.unknown-figure"),
    ],
)
def test_what_a_study_does_not_have_is_one_error(
    six: list[Path], pair: Pair, figures: list[str] | None, id: str
) -> None:
    entries = [Entry("ab"[i // 3], 1 + i % 3, run) for i, run in enumerate(six)]
    with pytest.raises(EmosymError) as caught:
        results_of(Study("s", entries, [pair], figures))
    assert caught.value.id == id


def test_two_runs_of_one_seed_are_no_row(six: list[Path]) -> None:
    with pytest.raises(EmosymError, match="two runs of seed 1"):
        results_of(Study("s", [Entry("a", 1, six[0]), Entry("a", 1, six[3])]))


def test_equal_specs_but_for_the_seed_are_one_row(six: list[Path]) -> None:
    study, warnings = study_of(six)
    assert {entry.row for entry in study.entries} == {"tiny", "fusion.name=gated"}
    assert study.entries[3].overrides == {"fusion.name": "gated"}
    assert warnings == []
    assert study.commands[0].startswith("emosym compare ")


def test_names_are_of_rows_or_of_runs(six: list[Path]) -> None:
    assert [entry.row for entry in study_of(six, ["x", "y"])[0].entries] == ["x"] * 3 + ["y"] * 3
    one_each = study_of(six, ["p", "q", "p2", "p", "q", "p2"])
    assert [entry.row for entry in one_each[0].entries] == ["p", "p", "q", "q", "p2", "p2"]
    with pytest.raises(EmosymError) as caught:
        study_of(six, ["x", "y", "z"])
    assert caught.value.id == "compare.names"


def test_the_same_spec_and_seed_twice_are_two_rows(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, images=5, id=name) for name in ("one", "other")]
    assert [entry.row for entry in study_of(runs)[0].entries] == ["tiny", "other"]


def test_rows_that_differ_in_much_are_named_by_their_runs(tmp_path: Path) -> None:
    many = {f"fusion.params.p{i}": i for i in range(5)}
    runs = [make_run(tmp_path / "a", images=5), make_run(tmp_path / "b", images=5, overrides=many)]
    assert [entry.row for entry in study_of(runs)[0].entries] == ["tiny", "b"]


@pytest.mark.parametrize(
    ("other", "id"),
    [
        ({"names": ("awe", "fear", "joy")}, "compare.other-labels"),
        ({"split": "val"}, "compare.other-split"),
        ({"id": "a-1"}, "compare.run-twice"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, other: dict[str, object], id: str) -> None:
    runs = [make_run(tmp_path / "a", images=5), make_run(tmp_path / "b", images=5, **other)]  # type: ignore[arg-type]
    with pytest.raises(EmosymError) as caught:
        study_of(runs)
    assert caught.value.id == id
    with pytest.raises(EmosymError, match="nothing to compare"):
        study_of(runs[:1])


def test_other_data_smoke_runs_and_missing_predictions_are_warned_of(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / "a", images=5),
        make_run(tmp_path / "b", images=5, seed=2, data="other", smoke=True, predictions=False),
    ]
    study, warnings = study_of(runs)
    assert len(warnings) == 3
    assert all(str(runs[1]) in sentence for sentence in warnings)
    assert list(study.notes) == warnings[:2]
    found = results_of(study).rows[0].figures["accuracy"]
    assert found.notes == ("no interval: one number a run, and 2 seeds",)


def test_specs_are_compared_value_by_value() -> None:
    base = dict(
        leaves({"a": {"b": 1, "c": [1, 2]}, "stage": {"x": 1, "y": 2}, "r": [{"n": "l"}, {"n": "w"}]})
    )
    assert base == {"a.b": 1, "a.c": [1, 2], "stage.x": 1, "stage.y": 2, "r.0.n": "l", "r.1.n": "w"}
    other = dict(leaves({"a": {"b": 2, "c": [1, 2]}, "stage": None, "r": [{"n": "l"}]}))
    assert differing(base, other) == {"a.b": 2, "stage": None, "r.1.n": None}
    assert differing(other, base) == {"a.b": 1, "stage.x": 1, "stage.y": 2, "r.1.n": "w"}


def test_compare_writes_beside_the_runs_and_says_where(emosym: Command, six: list[Path]) -> None:  # noqa: F811
    done = emosym("compare", *six)
    assert done.status == 0
    assert "fusion.name=gated − tiny" in done.out
    assert f"report: {six[0].parent / 'compare' / 'study.html'}" in done.out
    assert {path.name for path in (six[0].parent / "compare").iterdir()} == {
        "study.html", "study.md", "study.csv", "study.json", "study.tex",
    }  # fmt: skip


def test_compare_prints_json(emosym: Command, six: list[Path], tmp_path: Path) -> None:  # noqa: F811
    done = emosym("compare", *six, "--json", "--names", "plain,gated", "--out", tmp_path / "out")
    assert [row["name"] for row in json.loads(done.out)["rows"]] == ["plain", "gated"]
    assert json.loads(done.out) == json.loads((tmp_path / "out" / "study.json").read_text())


def test_compare_refuses_in_one_sentence(emosym: Command, six: list[Path], tmp_path: Path) -> None:  # noqa: F811
    (six[1] / "summary.json").unlink()
    done = emosym("compare", *six)
    assert done.status == 2
    assert "has not come to its end" in done.err
    assert "--resume" in done.err
    done = emosym("compare", six[0], six[2], "--out", six[3])
    assert done.status == 2
    assert "is a run folder" in done.err
    assert not (six[3] / "study.html").exists()


def test_a_damaged_spec_is_named(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, images=5, seed=seed) for seed, name in enumerate("ab")]
    (runs[1] / "spec.yaml").write_text("a: [")
    with pytest.raises(EmosymError, match=r"spec\.yaml:1:5: not YAML"):
        study_of(runs)
    write(runs[0] / "run.json", [])
    with pytest.raises(EmosymError, match=r"run\.json cannot be read"):
        study_of(runs)


def test_studies_are_computed_without_torch() -> None:
    code = "import sys, emosym.ablation.unplanned, emosym.ablation.table, emosym.report.study.write; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
