"""What a study was to show: each kind of test against a closed form, the correction over all, and what is written of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from emosym.ablation.results import Entry, Study
from emosym.ablation.statistics import Series, above_p, difference, ratio, seed_spread
from emosym.ablation.study import Claim, ClaimTest
from emosym.ablation.table import results_of
from emosym.report.study.evidence import machine_readable, write_evidence
from emosym.report.study.tables import claims
from tests.ablation.folders import make_run
from tests.ablation.test_study import Load, load, problems, registry  # noqa: F401 - fixtures

SKILLS = {"weak": 0.0, "strong": 1.0, "as strong": 1.001}


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    folder = tmp_path_factory.mktemp("claims")
    return [
        Entry(name, seed, make_run(folder / f"{name}{seed}", seed=seed, skill=skill, images=2000))
        for name, skill in SKILLS.items()
        for seed in range(1, 7)
    ]


def shown(entries: list[Entry], **tests: dict) -> dict[str, tuple[bool, bool]]:
    """By claim, whether it is supported and whether its first test holds."""
    asked = {name: Claim(says=name, tests=[ClaimTest(**one)]) for name, one in tests.items()}
    results = results_of(Study("study", entries, claims=asked))
    return {claim.name: (claim.supported, claim.tests[0].holds) for claim in results.claims}


def test_each_question_is_answered_as_the_truth_is(entries: list[Entry]) -> None:
    accuracy = {"figure": "accuracy"}
    answers = shown(
        entries,
        more={"row": "strong", "base": "weak", "above": 0.1, **accuracy},
        less={"row": "weak", "base": "strong", "above": 0.0, **accuracy},
        equal={"row": "as strong", "base": "strong", "within": 0.05, **accuracy},
        unequal={"row": "strong", "base": "weak", "within": 0.05, **accuracy},
        no_worse={"row": "strong", "base": "weak", "not_below": 0.01, **accuracy},
        worse={"row": "weak", "base": "strong", "not_below": 0.01, **accuracy},
        own={"row": "strong", "above": 0.6, **accuracy},
        too_much={"row": "strong", "above": 0.95, **accuracy},
    )
    assert {name for name, (supported, _) in answers.items() if supported} == {
        "more",
        "equal",
        "no_worse",
        "own",
    }


def test_a_figure_that_is_better_when_lower_counts_the_other_way(entries: list[Entry]) -> None:
    claim = Claim(says="x", tests=[ClaimTest(row="strong", base="weak", figure="ece", above=0.0)])
    (one,) = results_of(Study("study", entries, claims={"x": claim})).claims
    runs = [json.loads((e.run / "summary.json").read_text())["understanding"]["ece"] for e in entries]
    assert one.tests[0].estimate is not None
    assert one.tests[0].estimate.value == pytest.approx(np.mean(runs[:6]) - np.mean(runs[6:12]))


def test_a_claim_is_supported_where_every_test_holds(entries: list[Entry]) -> None:
    tests = [
        ClaimTest(row="strong", base="weak", figure="accuracy", above=0.0),
        ClaimTest(row="strong", figure="accuracy", above=0.99),
    ]
    (one,) = results_of(Study("study", entries, claims={"x": Claim(says="x", tests=tests)})).claims
    assert [test.holds for test in one.tests] == [True, False]
    assert not one.supported


def test_tests_are_corrected_over_all_claims(entries: list[Entry]) -> None:
    def p(many: int) -> tuple[float, float]:
        asked = {
            f"claim {i}": Claim(
                says="x", tests=[ClaimTest(row="strong", base="weak", figure="ece", above=0.0)]
            )
            for i in range(many)
        }
        (test,) = results_of(Study("study", entries, claims=asked)).claims[0].tests
        assert test.p is not None
        assert test.corrected is not None
        return test.p, test.corrected

    alone, among = p(1), p(4)
    assert alone[0] == alone[1] == among[0]
    assert among[1] == pytest.approx(min(1.0, 4 * among[0]))


def test_one_sided_p_is_that_of_students_test() -> None:
    values = np.array([0.1, 0.3, 0.2, 0.5, 0.15])
    for bound in (0.0, 0.2, 0.4):
        expected = ttest_1samp(values, bound, alternative="greater").pvalue
        assert above_p(seed_spread(values), bound) == pytest.approx(expected, rel=1e-6)


def test_times_are_compared_as_ratios() -> None:
    slow, fast = Series({1: 10.0, 2: 11.0, 3: 9.0}), Series({1: 1.0, 2: 1.0, 3: 1.0})
    found = ratio(fast, slow)
    assert found is not None
    logs = np.log([10.0, 11.0, 9.0])
    assert float(found[0].mean) == pytest.approx(logs.mean())
    p = t.sf((logs.mean() - np.log(5)) / (logs.std(ddof=1) / np.sqrt(3)), 2)
    assert above_p(found[0], float(np.log(5))) == pytest.approx(p, rel=1e-6)
    assert ratio(Series({1: 0.0, 2: 1.0, 3: 1.0}), slow) is None


def test_too_few_seeds_leave_a_number_a_run_untested() -> None:
    assert difference(Series({1: 0.5, 2: 0.6}), Series({1: 0.7, 2: 0.8})) is None


def test_what_is_written_names_runs_and_keeps_what_is_not_supported(
    entries: list[Entry], tmp_path: Path
) -> None:
    asked = {
        "helps": Claim(
            says="It helps.", tests=[ClaimTest(row="strong", base="weak", figure="accuracy", above=0.0)]
        ),
        "hurts": Claim(
            says="It hurts.",
            tests=[ClaimTest(row="weak", base="strong", figure="accuracy", above=0.0)],
            analysis="It does not: the other way round.",
        ),
    }
    results = results_of(Study("study", entries, claims=asked))
    page, data = write_evidence(results, tmp_path / "docs" / "evidence")
    rows = json.loads(data.read_text())
    assert rows == machine_readable(results)
    assert [(row["claim"], row["supported"]) for row in rows] == [("helps", True), ("hurts", False)]
    assert rows[0]["mean_difference"] == pytest.approx(-rows[1]["mean_difference"])
    assert rows[0]["seeds"] == 6
    assert {run["row"] for run in rows[0]["runs"]} == {"strong", "weak"}
    assert all(len(run["sha256"]) == 64 for run in rows[0]["runs"])
    text = page.read_text()
    assert "1 of 2 claims are supported" in text
    assert "the other way round" in text
    table = claims(results)
    assert [row[-1] for row in table.rows] == ["supported", "not supported"]


def test_the_test_that_holds_of_a_claim_that_is_not_supported_says_so_and_the_caption_what_that_is(
    entries: list[Entry],
) -> None:
    tests = [
        ClaimTest(row="strong", base="weak", figure="accuracy", above=0.0),
        ClaimTest(row="weak", base="strong", figure="accuracy", above=0.0),
    ]
    table = claims(results_of(Study("study", entries, claims={"half": Claim(says="Both.", tests=tests)})))
    assert [row[-1] for row in table.rows] == ["holds", "not supported"]
    said = "a claim is supported where each of its tests holds; where only some do, these say holds."
    assert said in table.caption
    assert said in (Path(__file__).parents[2] / "docs" / "evidence.md").read_text()


def test_claims_are_checked_with_the_study(load: Load, problems) -> None:  # noqa: F811
    rows = "rows: {a: {seed_of: 1, comment: x}, b: {optim.lr: 0.1}}\n".replace("seed_of: 1, ", "")
    good = rows + "claims: {x: {says: s, tests: [{row: a, base: b, figure: accuracy, above: 0}]}}\n"
    assert load(good).file.claims["x"].tests[0].above == 0
    assert "there is no row 'c'" in problems(good.replace("base: b", "base: c"))[0]
    assert "held against itself" in problems(good.replace("base: b", "base: a"))[0]
    assert "give one of" in problems(good.replace("above: 0", "above: 0, within: 0.1"))[0]
    assert "name one" in problems(good.replace("base: b, ", "").replace("above: 0", "within: 0.1"))[0]
    assert "no claims" in problems(rows + "evidence: here\n")[0]


def test_a_study_that_was_looked_at_before_asks_more_of_every_claim_and_says_so(entries: list[Entry]) -> None:
    asked = {
        "more": Claim(says="more", tests=[ClaimTest(row="strong", base="weak", figure="accuracy", above=0.1)])
    }
    once, twice = (results_of(Study("study", entries, claims=asked, looks=looks)) for looks in (1, 2))
    raised = 0.05 / 0.0294
    for one, other in zip(
        [*once.differences, *(test for claim in once.claims for test in claim.tests)],
        [*twice.differences, *(test for claim in twice.claims for test in claim.tests)],
        strict=True,
    ):
        if one.corrected is not None:
            assert other.corrected == pytest.approx(min(1.0, raised * one.corrected))
    assert "this is look 2, and every corrected p is raised by 1.70" in claims(twice).caption
    assert "look" not in claims(once).caption
