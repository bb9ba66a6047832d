from __future__ import annotations

from emosym.cli.columns import tables_of

FIGURES = {
    "accuracy": {"title": "accuracy", "percent": True, "headline": True, "beside": "bayes"},
    "macro_f1": {"title": "macro-F1", "percent": True, "headline": True},
    "emo_a": {"title": "Emo-A", "percent": True, "headline": True, "beside": "emo_a_real"},
    "emo_a_real": {"title": "real", "percent": True},
    "diversity": {"title": "diversity", "headline": True, "beside": "diversity_real"},
}

SUMMARY = {
    "figures": FIGURES,
    "understanding": {
        "accuracy": 0.84,
        "bayes": 0.8694,
        "stages": {
            "compress": {"accuracy": 0.7, "macro_f1": 0.69},
            "unify": {"accuracy": 0.84, "accuracy_low": 0.82, "accuracy_high": 0.86, "macro_f1": 0.83},
        },
    },
    "generation": {
        "emo_a": 0.75,
        "emo_a_real": 0.85,
        "diversity": 0.6,
        "diversity_real": 0.8,
        "fid": 31.5,
        "fid_low": 30.0,
    },
    "seconds": {"compress": 61.0, "unify": 130.0, "total": 200.0},
    "peak_memory_bytes": 2 * 2**30,
    "device": "cpu",
    "seed": 7,
}


def test_the_summary_shows_each_stage_beside_the_optimum() -> None:
    assert tables_of(SUMMARY).splitlines() == [
        "understanding   accuracy            macro-F1  time",
        "after compress  70.0 %              69.0 %    1:01",
        "after unify     84.0 % (82.0–86.0)  83.0 %    2:10",
        "Bayes optimum   86.9 %",
        "",
        "generation  generated  real",
        "Emo-A       75.0 %     85.0 %",
        "diversity   0.6        0.8",
        "fid         31.5",
        "",
        "3:20 in all, peak memory 2.0 GiB, device cpu, seed 7",
    ]


def test_figures_of_anybodys_metrics_have_a_table() -> None:
    compress = {"accuracy": 0.7, "images": 48, "ece": 0.0532, "ece_low": 0.04, "ece_high": 0.07}
    unify = {"accuracy": 0.8, "images": 48, "ece": 0.04, "brightness_gap": 2}
    understanding = {**unify, "stages": {"compress": compress, "unify": unify}}
    assert tables_of({"figures": FIGURES, "understanding": understanding}).splitlines()[:7] == [
        "understanding   accuracy",
        "after compress  70.0 %",
        "after unify     80.0 %",
        "",
        "figure          after compress      after unify",
        "ece             0.0532 (0.04–0.07)  0.04",
        "brightness gap  –                   2",
    ]


def test_a_run_that_only_understands_has_no_table_of_generation() -> None:
    out = tables_of({"figures": FIGURES, "understanding": {"accuracy": 0.5, "macro_f1": 0.4}})
    assert "held out       50.0 %    40.0 %" in out
    assert "generation" not in out


def test_what_is_measured_again_is_called_by_its_part() -> None:
    understanding = {"accuracy": 0.5, "macro_f1": 0.4}
    out = tables_of({"figures": FIGURES, "evaluation": {"split": "val"}, "understanding": understanding})
    assert out.splitlines()[:2] == ["understanding  accuracy  macro-F1", "val            50.0 %    40.0 %"]
