"""What a study was to show, and whether it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from emosym.ablation.results import RunResults, series_of
from emosym.ablation.statistics import (
    Spread,
    above_p,
    difference,
    equivalence_p,
    holm,
    interval,
    ratio,
    turned,
)
from emosym.ablation.study import Claim as Asked, ClaimTest
from emosym.contracts import Figure
from emosym.report.study.results import Claim, Estimate, Question, Tested


def tested(
    asked: Mapping[str, Asked],
    runs: Mapping[str, Sequence[RunResults]],
    declared: Mapping[str, Figure],
    looks: int,
) -> tuple[Claim, ...]:
    """Every claim with its tests, corrected over all of them. A row without runs leaves its tests open."""
    found = {
        name: [_tested(test, runs, declared.get(test.figure)) for test in claim.tests]
        for name, claim in asked.items()
    }
    corrected = iter(holm([one.p for tests in found.values() for one in tests], looks))
    return tuple(
        Claim(
            name,
            asked[name].says,
            tuple(replace(one, corrected=next(corrected)) for one in tests),
            asked[name].about,
            asked[name].analysis,
        )
        for name, tests in found.items()
    )


def _tested(test: ClaimTest, runs: Mapping[str, Sequence[RunResults]], about: Figure | None) -> Tested:
    higher = about is None or about.higher_is_better is not False
    if test.times is not None:
        return _times(test, runs, higher)
    questions: dict[Question, float | None] = {
        "above": test.above,
        "within": test.within,
        "not below": test.not_below,
    }
    asked, bound = next((name, value) for name, value in questions.items() if value is not None)
    open_ = Tested(test.row, test.base or "", test.figure, asked, bound, None)
    second = series_of(runs.get(test.row, ()), test.figure)
    first = None if test.base is None else series_of(runs.get(test.base, ()), test.figure)
    there = difference(first, second) if second.numbers and (first is None or first.numbers) else None
    if there is None:
        return open_
    spread, seeds, images = there
    spread = turned(spread, 1 if higher or first is None else -1)
    if asked == "within":
        p = equivalence_p(spread, bound)
    else:
        p = above_p(spread, -bound if asked == "not below" else bound)
    return replace(open_, estimate=_estimate(spread, seeds, images), p=p)


def _times(test: ClaimTest, runs: Mapping[str, Sequence[RunResults]], higher: bool) -> Tested:
    assert test.times is not None
    assert test.base is not None
    open_ = Tested(test.row, test.base, test.figure, "times", test.times, None)
    there = ratio(*(series_of(runs.get(row, ()), test.figure) for row in (test.base, test.row)))
    if there is None:
        return open_
    spread, seeds = turned(there[0], 1 if higher else -1), there[1]
    found = _estimate(spread, seeds, 0)
    low, high = (None if end is None else float(np.exp(end)) for end in (found.low, found.high))
    estimate = replace(found, value=float(np.exp(found.value)), low=low, high=high, error=None)
    return replace(open_, estimate=estimate, p=above_p(spread, float(np.log(test.times))))


def _estimate(spread: Spread, seeds: int, images: int) -> Estimate:
    low, high = interval(spread)
    error = float(np.sqrt(spread.variance))
    return Estimate(float(spread.mean), float(low), float(high), error, float(spread.freedom), seeds, images)
