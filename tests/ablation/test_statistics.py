"""Closed forms, studies of known truth, and data with something missing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from emosym.ablation.statistics import (
    OVER_SEEDS,
    Images,
    Series,
    Spread,
    compare,
    corrected,
    crossed_spread,
    equivalence_p,
    estimate,
    holm,
    p_value,
    seed_spread,
    share_interval,
    visible_difference,
)
from tests.ablation.simulated import (
    DIFFERENCES,
    SHARES,
    VALUES,
    PairedWorld,
    World,
    covered,
    false_alarms,
    our_share,
    ours,
    percentile,
)


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def series(values: Mapping[int, list[float]] | NDArray[np.float64], ids: str = "abcdefgh") -> Series:
    """A figure that is a mean over images, one list of values a seed."""
    rows = dict(values) if isinstance(values, Mapping) else dict(enumerate(values.tolist()))
    names = {
        seed: tuple(ids[i] if i < len(ids) else f"i{i}" for i in range(len(row)))
        for seed, row in rows.items()
    }
    return Series(
        {seed: float(np.nanmean(row)) if row else math.nan for seed, row in rows.items()},
        {seed: Images(names[seed], np.array(row, dtype=float)) for seed, row in rows.items()},
    )


def numbers(*values: float) -> Series:
    """A figure that is one number a run, such as macro-F1."""
    return Series(dict(enumerate(values)))


def test_the_interval_of_one_number_a_run_is_students() -> None:
    values = [0.81, 0.84, 0.80, 0.86]
    found = estimate(numbers(*values))
    assert found is not None
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert (found.seeds, found.images, found.notes) == (4, 0, (OVER_SEEDS,))


def test_a_difference_of_one_number_a_run_is_the_paired_t_test() -> None:
    one, other = [0.81, 0.84, 0.80, 0.86], [0.83, 0.85, 0.83, 0.86]
    found = compare(("a", numbers(*one)), ("b", numbers(*other)), "f")
    assert found.p == pytest.approx(stats.ttest_rel(one, other).pvalue)
    assert found.estimate is not None
    expected = stats.ttest_rel(other, one).confidence_interval()
    assert (found.estimate.low, found.estimate.high) == pytest.approx((expected.low, expected.high))
    assert found.effect is None


def test_the_crossed_variance_is_that_of_a_two_way_table() -> None:
    values = np.array([[1.0, 2.0, 4.0], [2.0, 3.0, 7.0]])
    # Mean 19/6; seeds 7/3 and 4; images 1.5, 2.5, 5.5.
    of_seeds = 3 * ((7 / 3 - 19 / 6) ** 2 + (4 - 19 / 6) ** 2)
    of_images = 2 * sum((x - 19 / 6) ** 2 for x in (1.5, 2.5, 5.5)) / 2
    of_rest = (values.var() * 6 - of_seeds - 2 * of_images) / 2
    spread = crossed_spread(values)
    total = of_seeds + of_images - of_rest
    assert float(spread.mean) == pytest.approx(19 / 6)
    assert float(spread.variance) == pytest.approx(total / 6)
    share = of_seeds / total
    assert float(spread.freedom) == pytest.approx(1 / (share / 1 + (1 - share) / 2))


def test_without_an_effect_of_images_the_freedom_is_that_of_the_seeds() -> None:
    shift = np.array([[0.0], [1.0], [2.0], [5.0]])
    values = shift + np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]])
    assert float(crossed_spread(values).freedom) == pytest.approx(3)


def test_fewer_than_three_seeds_are_averaged_and_the_result_says_so() -> None:
    table = np.array([[0.1, 0.5, 0.9, 0.3], [0.3, 0.7, 0.5, 0.1]])
    found = estimate(series(table))
    assert found is not None
    averaged = table.mean(0)
    expected = stats.t.interval(0.95, 3, averaged.mean(), stats.sem(averaged))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.notes == ("interval over images alone: 2 seeds say too little of how seeds differ",)


def test_the_interval_of_a_share_with_one_seed_is_nearly_wilsons() -> None:
    right = np.array([[1.0] * 80 + [0.0] * 20])
    found = estimate(series(right))
    wilson = stats.binomtest(80, 100).proportion_ci(0.95, method="wilson")
    assert found is not None
    # Student's quantile for 99 degrees of freedom stands in for the normal one.
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=0.002)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_none_or_all_still_has_an_interval(share: float) -> None:
    found = estimate(series(np.full((3, 50), share)))
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert 0.02 < found.high - found.low < 0.12
    assert found.low <= found.value <= found.high


def test_holm_against_values_by_hand() -> None:
    # Holm 1979: the smallest times 4, the next times 3 …, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([None, 0.02, None]) == [None, 0.02, None]
    assert holm([]) == []


def test_a_second_look_has_to_see_more() -> None:
    assert holm([0.01, 0.04], looks=2) == pytest.approx([0.02 * 0.05 / 0.0294, 0.04 * 0.05 / 0.0294])
    assert holm([0.9], looks=5) == [1.0]


@pytest.mark.parametrize("looks", [1, 2, 3, 4, 5])
def test_looking_again_while_seeds_are_added_is_wrong_once_in_twenty_in_all(looks: int) -> None:
    drawn = np.random.default_rng(looks).standard_normal((40_000, looks))
    z = drawn.cumsum(1) / np.sqrt(np.arange(1, looks + 1))
    p = 2 * stats.norm.sf(abs(z))
    raised = np.array([holm([one], looks)[0] for one in p.min(1)], dtype=float)
    assert (raised < 0.05).mean() == pytest.approx(0.05, abs=0.004)
    if looks > 1:
        assert (p.min(1) < 0.05).mean() > 0.075


def test_equivalence_is_two_one_sided_tests() -> None:
    values = np.array([0.01, -0.02, 0.015, 0.0, -0.01])
    spread = seed_spread(values)
    lower = stats.ttest_1samp(values, -0.05, alternative="greater").pvalue
    upper = stats.ttest_1samp(values, 0.05, alternative="less").pvalue
    assert equivalence_p(spread, 0.05) == pytest.approx(max(lower, upper))
    assert equivalence_p(spread, 0.0001) > 0.05


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_smallest_visible_difference_is_seen_in_four_of_five_studies(seeds: int) -> None:
    known = Spread(0.0, 1 / seeds, 0.0, seeds - 1, seeds - 1)
    shift = visible_difference(known)
    assert shift is not None
    studies = shift + np.random.default_rng(seeds).standard_normal((20_000, seeds))
    assert (p_value(seed_spread(studies)) < 0.05).mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("sd_seed", "sd_image"), [(0.0, 0.3), (0.1, 1.0), (0.3, 0.3)])
def test_it_is_seen_about_as_often_where_images_differ_too(sd_seed: float, sd_image: float) -> None:
    seeds, images = 5, 100
    known = Spread(
        0.0, sd_seed**2 / seeds + 1 / (seeds * images), sd_image**2 / images, seeds - 1, images - 1
    )
    shift = visible_difference(known)
    assert shift is not None
    world = World("a true difference", sd_seed, sd_image, mean=shift)
    values = next(world.draw(np.random.default_rng(0), 2000, seeds, images))
    assert 0.74 < (p_value(crossed_spread(values)) < 0.05).mean() < 0.86


def test_a_difference_is_paired_by_image() -> None:
    hard = np.linspace(0, 1, 200)
    rng = np.random.default_rng(3)
    one = hard + 0.01 * rng.standard_normal((3, 200))
    found = compare(("a", series(one)), ("b", series(one + 0.02)), "f")
    alone = estimate(series(one))
    assert alone is not None
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(0.02)
    noisy = compare(("a", series(one)), ("b", series(one + 0.02 + 0.01 * rng.standard_normal((3, 200)))), "f")
    assert noisy.estimate is not None
    assert noisy.estimate.error is not None
    assert alone.error is not None
    assert noisy.estimate.error < alone.error / 10
    assert noisy.p is not None
    assert noisy.p < 0.01


def test_images_are_paired_by_id_and_not_by_place() -> None:
    one = Series(
        dict.fromkeys(range(3), 2.0),
        {s: Images(("a", "b", "c"), np.array([1.0, 2.0, 3.0])) for s in range(3)},
    )
    other = Series(
        dict.fromkeys(range(3), 2.0),
        {s: Images(("c", "a", "b"), np.array([3.0, 1.0, 2.0])) for s in range(3)},
    )
    found = compare(("one", one), ("other", other), "f")
    assert found.estimate is not None
    assert found.estimate.error == 0
    assert found.notes == ("the two rows are the same in every value",)


def test_common_images_and_seeds_are_used_and_said() -> None:
    rng = np.random.default_rng(0)
    one = series({s: rng.random(8).tolist() for s in range(4)})
    other = series({s: rng.random(6).tolist() for s in range(1, 6)})
    found = compare(("one", one), ("other", other), "f")
    assert found.estimate is not None
    assert (found.estimate.seeds, found.estimate.images) == (3, 6)
    assert found.estimate.notes == (
        "over the 3 seeds that both rows have",
        "over the 6 images that all runs have",
    )


def test_rows_without_a_common_seed_are_compared_image_by_image() -> None:
    found = compare(("a", series({1: [0.0, 0.5, 1.0]})), ("b", series({2: [0.5, 0.5, 0.8]})), "f")
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(0.1)
    assert any("no seed in common" in note for note in found.estimate.notes)


def test_images_without_a_value_are_left_out_and_counted() -> None:
    values = np.random.default_rng(0).random((3, 6))
    values[1, 2] = math.nan
    found = estimate(series(values))
    assert found is not None
    assert found.images == 5
    assert "1 image without a value in some run left out" in found.notes


@pytest.mark.parametrize(
    ("one", "other", "phrase"),
    [
        (numbers(math.nan, math.nan), numbers(0.1, 0.2), "not measured in both rows"),
        (numbers(), numbers(0.1), "not measured in both rows"),
        (Series({1: 0.5}), Series({2: 0.5}), "no seed in common"),
    ],
)
def test_what_cannot_be_compared_is_a_phrase(one: Series, other: Series, phrase: str) -> None:
    found = compare(("one", one), ("other", other), "f", margin=0.1)
    assert found.estimate is None
    assert found.p is None
    assert phrase in found.notes


@pytest.mark.parametrize("count", [1, 2])
def test_one_number_of_few_seeds_has_no_interval(count: int) -> None:
    found = estimate(numbers(*[0.5, 0.6][:count]))
    assert found is not None
    assert found.low is None
    assert found.notes[0].startswith("no interval: one number a run, and")
    pair = compare(("a", numbers(*[0.5, 0.6][:count])), ("b", numbers(*[0.7, 0.7][:count])), "f", 0.1)
    assert pair.estimate is not None
    assert pair.estimate.low is None
    assert (pair.p, pair.visible, pair.equivalence) == (None, None, None)


def test_one_image_is_no_sample_of_images() -> None:
    found = estimate(series({s: [0.1 * s] for s in range(4)}))
    assert found is not None
    assert found.images == 0
    assert found.notes == (OVER_SEEDS,)


def test_a_constant_difference_is_not_tested() -> None:
    one = np.random.default_rng(0).random((3, 10))
    found = compare(("a", series(one)), ("b", series(one + 0.1)), "f")
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(0.1)
    assert found.p is None
    assert found.visible is None
    assert found.notes == ("every value differs by the same amount, so nothing is tested",)


def test_seeds_that_happen_to_be_right_equally_often_are_not_certain() -> None:
    right = np.array([[1.0, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0]])
    spread = crossed_spread(right - 0.25)
    assert float(spread.variance) == pytest.approx((12 * right.var() - 4 * 3 * right.mean(0).var()) / 6 / 12)
    assert float(spread.freedom) == 2


def test_rows_that_are_the_same_do_not_differ_and_are_equivalent() -> None:
    one = series(np.random.default_rng(0).random((3, 10)))
    found = corrected([compare(("a", one), ("b", one), "f", margin=0.01)])[0]
    assert (found.p, found.corrected, found.equivalence_corrected) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("world", [*VALUES, *DIFFERENCES], ids=lambda one: one.name)
def test_intervals_hold_the_truth(world: World | PairedWorld) -> None:
    # 400 studies: three standard errors are 3.3 %.
    assert 0.917 <= covered(world, ours, seeds=3, images=100, studies=400) <= 0.983


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "images"), [(3, 100), (3, 3000), (5, 300), (5, 1000), (10, 100), (10, 1000)]
)
def test_intervals_hold_the_truth_in_95_of_100_studies(seeds: int, images: int) -> None:
    worlds = [(world, ours) for world in (*VALUES, *DIFFERENCES)] + [(world, our_share) for world in SHARES]
    studies = 1000 if seeds * images > 1500 else 2000
    found = {world.name: covered(world, method, seeds, images, studies) for world, method in worlds}
    assert {name: share for name, share in found.items() if not 0.93 <= share <= 0.97} == {}


def test_the_percentile_bootstrap_over_few_seeds_does_not() -> None:
    seeds_matter = next(world for world in VALUES if world.name == "seeds matter most")
    assert covered(seeds_matter, percentile, seeds=3, images=100, studies=200) < 0.9


def test_corrected_tests_seldom_name_a_difference_that_is_not_there() -> None:
    # 300 studies: three standard errors are 3.8 %.
    assert false_alarms(3, 100, 0.1, studies=300) <= 0.088


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("sd_seed", [0, 0.05, 0.3])
def test_at_most_one_study_in_twenty_names_a_difference_that_is_not_there(seeds: int, sd_seed: float) -> None:
    assert false_alarms(seeds, 200, sd_seed, studies=3000) <= 0.05


def test_a_share_interval_never_leaves_zero_to_one() -> None:
    rng = np.random.default_rng(0)
    spread = crossed_spread((rng.random((200, 3, 40)) > 0.97).astype(float))
    low, high = share_interval(spread, 40)
    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (low <= spread.mean).all()
    assert (spread.mean <= high).all()
