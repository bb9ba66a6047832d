"""The report of a study: what it says, that every format says the same, and that nothing in a name is a command."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from pathlib import Path

import pytest
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexGroupNode, LatexMacroNode, LatexWalker

from emosym.ablation.results import Entry, Pair, Study
from emosym.ablation.table import results_of
from emosym.report.study.latex import escaped
from emosym.report.study.pictures import points_for
from emosym.report.study.results import Difference, Estimate, Figure, Results, Row, RunFacts
from emosym.report.study.words import difference_text, estimate_text, p_text, verdict
from emosym.report.study.write import write_study
from tests.ablation.folders import make_run
from tests.report.test_report import check

WILD = "=a_b & 100% #1 \\cmd {x} ~ ^ $y$ [z] | <script>alert(1)</script> -- β “é” 中 \U0001f600 `w` *"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("study")
    entries = [
        Entry(
            row,
            seed,
            make_run(root / f"{place}-{seed}", seed=seed, skill=skill, images=400),
            changed,
            comment,
        )
        for place, (row, skill, changed, comment) in enumerate(
            [
                ("base", 0.3, {}, ""),
                ("gated", 1.8, {"fusion.name": "gated"}, "the paper's own"),
                (WILD, 0.3, {"stages.reinforce": None, "x.y": [1, 2]}, WILD),
            ]
        )
        for seed in (1, 2, 3)
    ]
    pairs = [Pair("base", "gated", margins={"accuracy": 0.02}), Pair("base", WILD, margins={"accuracy": 0.3})]
    return results_of(
        Study(
            "What helps? 100 %",
            entries,
            pairs,
            facts={"store": "</script>"},
            commands=["emosym ablate study.yaml"],
        )
    )


@pytest.fixture(scope="module")
def folder(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "out"
    assert [path.name for path in write_study(results, out)] == [
        "study.html", "study.md", "study.csv", "study.tex", "study.json",
    ]  # fmt: skip
    return out


def text(folder: Path, ending: str) -> str:
    return (folder / f"study.{ending}").read_text(encoding="utf-8")


def test_every_number_says_what_it_is_over_and_how_sure(results: Results, folder: Path) -> None:
    shown = estimate_text(results.style.about("accuracy"), results.rows[0].figures["accuracy"])
    assert re.fullmatch(r"\d\d\.\d % \(\d\d\.\d–\d\d\.\d\) · 3 seeds × 400 images", shown)
    for ending in ("md", "csv"):
        assert shown in text(folder, ending)
    assert json.loads(text(folder, "json"))["rows"][0]["figures"]["accuracy"]["shown"] == shown
    value, over = shown.split(" · ")
    assert f"<td>{value}<small>{over}</small></td>" in text(folder, "html")
    assert escaped(value) in text(folder, "tex")


def test_differences_are_the_same_in_every_format(results: Results, folder: Path) -> None:
    for one in results.differences:
        about = results.style.about(one.figure)
        value = difference_text(about, one).partition(" · ")[0]
        assert value in text(folder, "md")
        assert value in text(folder, "html")
        assert escaped(value) in text(folder, "tex")
    with (folder / "study.csv").open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["kind"] == "difference"]
    computed = json.loads(text(folder, "json"))["differences"]
    assert [float(line["value"]) for line in lines] == [one["estimate"]["value"] for one in computed]
    assert [line["verdict"] for line in lines] == [one["verdict"] for one in computed]
    # A spreadsheet takes what begins with a sign for a formula, hence the apostrophe.
    assert [line["shown"].removeprefix("'") for line in lines] == [one["shown"] for one in computed]


def test_a_large_difference_is_shown_and_a_small_one_equivalent(results: Results) -> None:
    by_row = {one.second: one for one in results.differences if one.figure == "accuracy"}
    about = results.style.about("accuracy")
    assert verdict(about, by_row["gated"]) == "better"
    assert verdict(about, by_row[WILD]) == "equivalent within ±30.0 points"


@pytest.mark.parametrize(
    ("corrected", "equivalence", "margin", "value", "better", "expected"),
    [
        (0.01, None, None, 0.1, True, "better"),
        (0.01, None, None, 0.1, False, "worse"),
        (0.01, None, None, -0.1, None, "lower"),
        (0.01, 0.01, 0.2, 0.1, True, "better, by less than ±20.0 points"),
        (0.2, None, None, 0.1, True, "no difference shown"),
        (0.2, 0.2, 0.2, 0.1, True, "no difference shown, nor equivalence within ±20.0 points"),
        (0.2, 0.01, 0.2, 0.1, True, "equivalent within ±20.0 points"),
        (None, None, None, 0.1, True, "not tested"),
    ],
)
def test_verdicts_are_words(
    corrected: float | None,
    equivalence: float | None,
    margin: float | None,
    value: float,
    better: bool | None,
    expected: str,
) -> None:
    about = Figure("Accuracy", percent=True, higher_is_better=better)
    found = Difference(
        "a",
        "b",
        "accuracy",
        Estimate(value),
        corrected=corrected,
        margin=margin,
        equivalence_corrected=equivalence,
    )
    assert verdict(about, found) == expected


def test_small_numbers_are_written_with_care() -> None:
    points, plain = Figure("A", percent=True), Figure("B")
    assert difference_text(points, Difference("a", "b", "A", Estimate(-0.0001, -0.02, 0.0198, seeds=3))) == (
        "0.0 points (−2.0 to +2.0) · 3 seeds"
    )
    assert (
        estimate_text(plain, Estimate(-0.5, -1.0, 0.25, seeds=3, images=1))
        == "−0.5 (−1 to 0.25) · 3 seeds × 1 image"
    )
    assert [p_text(p) for p in (0.00012, 0.0123, 0.5, 1.0, None)] == ["< 0.001", "0.012", "0.50", "1.00", "–"]


def test_the_page_is_well_formed_needs_nothing_and_runs_nothing(folder: Path) -> None:
    page = text(folder, "html")
    parsed = check(page)
    assert all(address.startswith(("data:image/webp", "#")) for address in parsed.addresses)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "<script" not in page
    assert len(page) < 3_000_000


def test_the_page_has_pictures_curves_hashes_and_the_way_to_make_it_again(
    results: Results, folder: Path
) -> None:
    page = text(folder, "html")
    shown = " ".join(check(page).text)
    assert page.count("<svg") == 2
    assert page.count("data:image/webp") == 9
    assert "emosym ablate study.yaml" in shown
    assert "fusion.name=gated" in shown
    assert "the paper's own" in shown
    assert "stages.reinforce=null, x.y=[1, 2]" in shown
    assert all(run.sha256 in shown for row in results.rows for run in row.runs)
    assert "12,345" in shown
    assert "@media print" in page


def test_metrics_that_nobody_knows_are_shown_like_ours(folder: Path) -> None:
    assert "Warmth &amp; &lt;b&gt;glow&lt;/b&gt;" in text(folder, "html")
    assert r"Warmth \& \ensuremath{<}b\ensuremath{>}glow" in text(folder, "tex")


def test_the_curves_of_a_large_study_have_fewer_points() -> None:
    assert points_for(1) == 150
    assert points_for(12 * 30) == 32
    assert points_for(10**6) == 12


def test_the_same_study_gives_the_same_report(results: Results, folder: Path, tmp_path: Path) -> None:
    for path in write_study(results, tmp_path / "again"):
        assert path.read_bytes() == (folder / path.name).read_bytes()


def nodes(several: object) -> list[object]:
    found: list[object] = []
    for node in several or []:  # type: ignore[attr-defined]
        found.append(node)
        found += nodes(getattr(node, "nodelist", None))
        arguments = getattr(node, "nodeargd", None)
        found += nodes([one for one in (arguments.argnlist if arguments else []) if one is not None])
    return found


KNOWN = {
    "documentclass", "usepackage", "IfFileExists", "newsavebox", "newcommand", "sbox", "ifdim", "wd", "linewidth", "resizebox", "usebox",
    "else", "fi", "fitted", "fittedbox", "begin", "end", "section", "centering", "caption", "label", "toprule", "midrule",
    "bottomrule", "stacked", "footnotesize", "textuparrow", "textdownarrow", "par", "smallskip", "ensuremath", "textendash", "texttimes",
    "textbackslash", "textasciitilde", "textasciicircum", "textquotedblleft", "textquotedblright", "beta", "geq",
    "textperiodcentered", "pm", "%", "&", "_", "#", "$", "{", "}", "\\", "'",
}  # fmt: skip
"""Commands of LaTeX's kernel, booktabs and graphicx that a study may use."""


def test_the_latex_is_strict(folder: Path) -> None:
    source = text(folder, "tex")
    assert source.isascii()
    parsed, _, _ = LatexWalker(source, tolerant_parsing=False).get_latex_nodes()
    macros = {node.macroname for node in nodes(parsed) if isinstance(node, LatexMacroNode)}
    assert macros <= KNOWN
    begun = re.findall(r"\\begin\{(\w+)\}", source)
    stacked, document, *tables = begun  # the first is in the definition of the command
    assert (stacked, document) == ("tabular", "document")
    assert tables == ["table", "tabular"] * (len(tables) // 2)
    assert sorted(begun) == sorted(re.findall(r"\\end\{(\w+)\}", source))
    assert any(isinstance(node, (LatexEnvironmentNode, LatexGroupNode)) for node in parsed)


def test_every_row_of_a_latex_table_has_as_many_cells_as_columns(folder: Path) -> None:
    source = text(folder, "tex")
    bodies = re.findall(r"\\begin\{tabular\}\{((?:[^{}]|\{[^{}]*\})*)\}\n(.*?)\\end\{tabular\}", source, re.S)
    assert len(bodies) == 5
    for columns, body in bodies:
        wanted = len(re.sub(r"\{[^{}]*\}", "", columns))
        rows = [line for line in body.splitlines() if "toprule" not in line and "rule" not in line]
        assert all(line.endswith(r" \\") for line in rows)
        # A bracket or a star after \\ would be taken for its argument.
        assert not any(line.lstrip().startswith(("[", "*")) for line in rows)
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in rows} == {wanted}


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ("50 % of a_b & #1", r"50 \% of a\_b \& \#1"),
        ("--set x", "-{}-set x"),
        ("[1] *", "{[}1{]} {*}"),
        ("β ≥ 0.1 − 中", r"\ensuremath{\beta} \ensuremath{\geq} 0.1 \ensuremath{-} ?"),
        ("a\n\tb\x00", "a b?"),
        ("ё ∅ œ", r"? ? {\oe}"),
    ],
)
def test_text_means_itself_in_latex(plain: str, expected: str) -> None:
    assert escaped(plain) == expected


def test_markdown_keeps_its_columns_whatever_a_name_is(folder: Path) -> None:
    page = text(folder, "md")
    tables = re.findall(r"(?:^\|.*\n)+", page, re.M)
    assert len(tables) == 6
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert "<script" not in page


def test_the_json_has_everything(results: Results, folder: Path) -> None:
    read = json.loads(text(folder, "json"))
    assert read["rows"][1]["overrides"] == {"fusion.name": "gated"}
    assert read["rows"][1]["figures"]["accuracy"]["value"] == results.rows[1].figures["accuracy"].value
    assert read["rows"][0]["trained_parameters"] == 12_345
    assert read["rows"][0]["runs"][0]["sha256"] == results.rows[0].runs[0].sha256
    assert [table["id"] for table in read["tables"]] == [
        "figures",
        "differences",
        "others-1",
        "cost",
        "overrides",
        "runs",
    ]


def test_a_study_without_runs_figures_or_pictures_is_still_a_page(tmp_path: Path) -> None:
    bare = Results("nothing", (Row("a", {}, runs=(RunFacts(tmp_path, 1),)), Row("b", {})), (), {})
    write_study(bare, tmp_path / "out")
    check((tmp_path / "out" / "study.html").read_text())
    broken = dataclasses.replace(
        bare, differences=(Difference("a", "b", "f", None, notes=("no seed in common",)),)
    )
    write_study(broken, tmp_path / "out")
    assert "no seed in common" in (tmp_path / "out" / "study.md").read_text()
