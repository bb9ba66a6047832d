"""How sure a study is: means, paired differences, corrected tests, equivalence, and what could have been seen.

The values of a figure are a table of S seeds by I images. Both are drawn: another seed trains another system, another
draw of images asks other questions. ``docs/explanation/statistics.md`` says why the methods are these, with measured
coverage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import nct, t

from emosym.report.study.results import ALPHA, POCOCK, Difference, Estimate

LEVEL = 0.95
POWER = 0.8
ENOUGH_SEEDS = 3
"""Fewer say too little of how seeds differ."""
OVER_SEEDS = "interval over seeds alone: how other images would change the figure is not in it"
ROUNDING = 1e-12
"""Standard errors below this share of the largest value are rounding: nothing varies."""
BISECTIONS = 40
SMALLEST_P = 1e-100

Array = NDArray[np.float64]


class Images(NamedTuple):
    """A figure's value of each image in one run: their mean is the figure."""

    ids: tuple[str, ...]
    values: Array


@dataclass(frozen=True)
class Series:
    """One figure of one row, by seed: a number, and where the figure is a mean over images each image's own value."""

    numbers: Mapping[int, float]
    images: Mapping[int, Images] = field(default_factory=dict)


class Spread(NamedTuple):
    """A mean, and what drawing other seeds and other images would do to it: arrays of one shape."""

    mean: Any
    of_seeds: Any
    """Part of the squared standard error that is estimated from the differences between seeds."""
    of_images: Any
    """The part that is estimated from the differences between images."""
    seeds: float
    """Degrees of freedom of the first part; infinite where it is none."""
    images: float

    @property
    def variance(self) -> Any:
        """The squared standard error."""
        return self.of_seeds + self.of_images

    @property
    def freedom(self) -> Any:
        """Degrees of freedom of the whole: the harmonic mean of the parts', weighted by their shares of the variance."""
        total = self.variance
        share = np.where(total > 0, self.of_seeds / np.where(total > 0, total, 1), 0)
        return 1 / (share / self.seeds + (1 - share) / self.images)


class Table(NamedTuple):
    """Values [S,I] of the seeds and images that can be used, and what was left out."""

    values: Array
    seeds: tuple[int, ...]
    notes: tuple[str, ...]


def crossed_spread(values: Array) -> Spread:
    """That of the mean of tables [...,S,I] whose seeds and images are both drawn; S and I at least 2.

    The variance is that of two crossed random effects: (MS_seeds + max(MS_images − MS_rest, 0)) / (S·I). Where that is
    nothing although values vary (seeds that are right equally often, by chance), it is that of the rest.
    """
    seeds, images = values.shape[-2:]
    mean = values.mean((-2, -1), keepdims=True)
    by_seed, by_image = values.mean(-1, keepdims=True) - mean, values.mean(-2, keepdims=True) - mean
    rest = values - mean - by_seed - by_image
    of_seeds = images * (by_seed**2).sum((-2, -1)) / (seeds - 1)
    of_images = seeds * (by_image**2).sum((-2, -1)) / (images - 1)
    of_rest = (rest**2).sum((-2, -1)) / ((seeds - 1) * (images - 1))
    parts = (of_seeds, np.maximum(of_images - of_rest, 0), of_rest)
    first, second, third = (_varying(part / (seeds * images), values, (-2, -1)) for part in parts)
    first = np.where(first + second > 0, first, third)
    return Spread(mean[..., 0, 0], first, second, seeds - 1, images - 1)


def image_spread(values: Array) -> Spread:
    """That of the mean of tables [...,S,I] of which the images alone are drawn; I at least 2."""
    images, averaged = values.shape[-1], values.mean(-2)
    variance = _varying(averaged.var(-1, ddof=1) / images, averaged, -1)
    return Spread(averaged.mean(-1), np.zeros_like(variance), variance, images - 1, images - 1)


def seed_spread(values: Array) -> Spread:
    """That of the mean of numbers [...,S], one a seed; S at least 2."""
    seeds = values.shape[-1]
    variance = _varying(values.var(-1, ddof=1) / seeds, values, -1)
    return Spread(values.mean(-1), variance, np.zeros_like(variance), seeds - 1, seeds - 1)


def _varying(variance: Any, values: Array, axes: Any) -> Any:
    """A squared standard error without what is rounding alone."""
    return np.where(variance > (ROUNDING * np.abs(values).max(axes)) ** 2, variance, 0.0)


def interval(spread: Spread, level: float = LEVEL) -> tuple[Any, Any]:
    """Ends of the t interval of a mean."""
    half = t.ppf((1 + level) / 2, spread.freedom) * np.sqrt(spread.variance)
    return spread.mean - half, spread.mean + half


def share_interval(spread: Spread, images: int, level: float = LEVEL) -> tuple[Any, Any]:
    """Ends of the interval of a share: Wilson's, of as many independent images as would have this standard error.

    A share near 0 or 1 has no t interval worth the name. Where nothing varies, it is that of ``images``. (Korn and
    Graubard 1998 and others for samples in clusters.)
    """
    p, quantile = spread.mean, t.ppf((1 + level) / 2, spread.freedom)
    varies = (spread.variance > 0) & (p > 0) & (p < 1)
    count = np.where(varies, p * (1 - p) / np.where(varies, spread.variance, 1), images)
    square = quantile**2
    middle = (p + square / (2 * count)) / (1 + square / count)
    half = quantile * np.sqrt(p * (1 - p) / count + square / (4 * count**2)) / (1 + square / count)
    return np.clip(middle - half, 0, p), np.clip(middle + half, p, 1)


def p_value(spread: Spread) -> Any:
    """Two-sided p of the test that the true mean is 0; 1 where nothing varies and the mean is 0, NaN where it is not."""
    p = _tail(spread, np.abs(spread.mean))
    return np.where(spread.variance > 0, np.minimum(1, 2 * p), np.where(spread.mean == 0, 1.0, np.nan))


def equivalence_p(spread: Spread, margin: float) -> float:
    """p of two one-sided tests (Schuirmann 1987) that the true mean is between −margin and +margin."""
    away = margin - abs(float(spread.mean))
    if float(spread.variance) == 0:
        return 0.0 if away > 0 else 1.0
    p = float(_tail(spread, np.asarray(abs(away))))
    return p if away > 0 else 1 - p


def _half_square(spread: Spread, tail: Any) -> Any:
    """Square of how far the mean has to be from a value for this one-sided p: each part with its own t quantile."""
    of_seeds, of_images = t.isf(tail, spread.seeds), t.isf(tail, spread.images)
    return of_seeds**2 * spread.of_seeds + of_images**2 * spread.of_images


def _tail(spread: Spread, distance: Any) -> Any:
    """One-sided p, at most a half, of a mean that is ``distance`` away: where :func:`_half_square` is its square.

    Unlike one t distribution for the whole, this holds its level far out in the tail, where corrected tests are asked.
    """
    error = np.sqrt(spread.variance)
    ratio = distance / np.where(error > 0, error, 1)
    fewest, most = min(spread.seeds, spread.images), max(spread.seeds, spread.images)
    low, high = (np.maximum(t.sf(ratio, freedom), SMALLEST_P) for freedom in (most, fewest))
    for _ in range(BISECTIONS):
        middle = np.sqrt(low * high)
        too_small = _half_square(spread, middle) > distance**2
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    return np.sqrt(low * high)


def visible_difference(spread: Spread, level: float = LEVEL, power: float = POWER) -> float | None:
    """The true mean at which the two-sided test at this level says that it is not 0 with this power; None where nothing
    varies.

    From the noncentral t distribution, with the standard error and degrees of freedom that were found.
    """
    error, freedom = math.sqrt(float(spread.variance)), float(spread.freedom)
    if error == 0:
        return None
    critical = math.sqrt(float(_half_square(spread, (1 - level) / 2))) / error

    def missing(shift: float) -> float:
        return float(nct.sf(critical, freedom, shift)) - power

    enough = critical + 1
    while missing(enough) < 0:
        enough *= 1.25
    return error * float(brentq(missing, 0.0, enough))


def holm(values: Sequence[float | None], looks: int = 1) -> list[float | None]:
    """Holm's step-down correction (1979) of p values; those that are None are no tests and stay so. Where this is the last of
    several ``looks``, raised so that below 0.05 means below Pocock's level."""
    raised = ALPHA / POCOCK[looks]
    there = sorted((p, place) for place, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, place) in enumerate(there):
        largest = max(largest, min(1.0, (len(there) - rank) * p * raised))
        corrected[place] = largest
    return corrected


def estimate(series: Series) -> Estimate | None:
    """Mean of a figure over seeds, with its 95 % interval; None where no seed has a finite value."""
    table = aligned([series])
    if table is not None:
        values, seeds, notes = table.values[0], table.seeds, table.notes
        spread, more = _spread(values)
        share = bool(np.isin(values, (0, 1)).all())
        low, high = share_interval(spread, values.shape[1]) if share else interval(spread)
        same = ("every value is the same",) if float(spread.variance) == 0 else ()
        notes = (*notes, *more, *same)
        return _estimate(spread, (low, high), len(seeds), values.shape[1], notes)
    return _of_numbers(_finite(series.numbers))


def difference(first: Series | None, second: Series) -> tuple[Spread, int, int] | None:
    """The second figure minus the first, or the second alone, with its seeds and images; None where too little is there."""
    several = [second] if first is None else [first, second]
    table = aligned(several)
    if table is not None:
        values = table.values[0] if first is None else table.values[1] - table.values[0]
        return _spread(values)[0], len(table.seeds), table.values.shape[2]
    found = [_finite(series.numbers) for series in several]
    common = sorted(set.intersection(*(set(one) for one in found)))
    if len(common) < ENOUGH_SEEDS:
        return None
    values = np.array([[one[seed] for seed in common] for one in found])
    return seed_spread(values[0] if first is None else values[1] - values[0]), len(common), 0


def ratio(first: Series, second: Series) -> tuple[Spread, int] | None:
    """The logarithm of second over first, by seed, and its seeds; None where fewer than three have both, above 0."""
    one, other = _finite(first.numbers), _finite(second.numbers)
    common = sorted(seed for seed in one.keys() & other.keys() if one[seed] > 0 and other[seed] > 0)
    if len(common) < ENOUGH_SEEDS:
        return None
    return seed_spread(np.log([other[seed] / one[seed] for seed in common])), len(common)


def above_p(spread: Spread, bound: float) -> float:
    """One-sided p of the test that the true mean is above ``bound``."""
    away = float(spread.mean) - bound
    if float(spread.variance) == 0:
        return 0.0 if away > 0 else 1.0
    p = float(_tail(spread, np.asarray(abs(away))))
    return p if away > 0 else 1 - p


def compare(
    first: tuple[str, Series], second: tuple[str, Series], figure: str, margin: float | None = None
) -> Difference:
    """The second row's figure minus the first's, paired by seed and image, before any correction."""
    pair = Difference(first[0], second[0], figure, None, margin=margin)
    table = aligned([first[1], second[1]])
    if table is not None:
        spread, notes = _spread(table.values[1] - table.values[0])
        deviation = math.sqrt(table.values.var((1, 2), ddof=1).mean())
        return _tested(pair, spread, len(table.seeds), table.values.shape[2], deviation, table.notes + notes)
    one, other = _finite(first[1].numbers), _finite(second[1].numbers)
    common = sorted(one.keys() & other.keys())
    if not common:
        why = "no seed in common" if one and other else "not measured in both rows"
        return replace(pair, notes=(why,))
    values = np.array([[one[seed] for seed in common], [other[seed] for seed in common]])
    notes = _left_out(len(common), [len(one), len(other)], "seed")
    if len(common) < ENOUGH_SEEDS:
        mean = Estimate(float((values[1] - values[0]).mean()), seeds=len(common))
        return replace(pair, estimate=replace(mean, notes=(*notes, _too_few(len(common)))))
    spread = seed_spread(values[1] - values[0])
    return _tested(pair, spread, len(common), 0, 0.0, (*notes, OVER_SEEDS))


def corrected(differences: Sequence[Difference], looks: int = 1) -> list[Difference]:
    """Differences with Holm's correction over all of them, and over all their margins: one family is one study."""
    tests = holm([one.p for one in differences], looks)
    margins = holm([one.equivalence for one in differences], looks)
    return [
        replace(one, corrected=p, equivalence_corrected=q)
        for one, p, q in zip(differences, tests, margins, strict=True)
    ]


def aligned(several: Sequence[Series]) -> Table | None:
    """Values [R,S,I] of the seeds and images that all series have; None where there are not two such images.

    Rows without a seed in common are averaged over their own seeds, into a table of one seed.
    """
    if not all(series.images and series.images.keys() >= series.numbers.keys() for series in several):
        return None
    seeds = sorted(set.intersection(*(set(series.images) for series in several)))
    notes = list(_left_out(len(seeds), [len(series.images) for series in several], "seed")) if seeds else []
    used = [[series.images[seed] for seed in seeds or series.images] for series in several]
    runs = [run for row in used for run in row]
    ids = _common_ids(runs)
    if len(ids) < max(len(run.ids) for run in runs):
        notes.append(f"over the {_count(len(ids), 'image')} that all runs have")
    picked = [np.stack([_picked(run, ids) for run in row]) for row in used]
    if not seeds:
        notes.append("no seed in common, so each row's own seeds are averaged")
        picked = [row.mean(0, keepdims=True) for row in picked]
    values = np.stack(picked)
    finite = np.isfinite(values).all((0, 1))
    if not finite.all():
        notes.append(f"{_count(int((~finite).sum()), 'image')} without a value in some run left out")
        values = values[:, :, finite]
    return Table(values, tuple(seeds), tuple(notes)) if values.shape[2] >= 2 else None


def _common_ids(runs: Sequence[Images]) -> tuple[str, ...]:
    """Ids that all runs have, in the order of the first."""
    if all(run.ids == runs[0].ids for run in runs):
        return runs[0].ids
    common = set(runs[0].ids).intersection(*(run.ids for run in runs[1:]))
    return tuple(id for id in runs[0].ids if id in common)


def _picked(run: Images, ids: tuple[str, ...]) -> Array:
    if run.ids == ids:
        return np.asarray(run.values, dtype=float)
    places = {id: place for place, id in enumerate(run.ids)}
    return np.asarray(run.values, dtype=float)[[places[id] for id in ids]]


def _spread(values: Array) -> tuple[Spread, tuple[str, ...]]:
    """That of the mean of a table [S,I], and what is to be said of it."""
    seeds = values.shape[0]
    if seeds >= ENOUGH_SEEDS:
        return crossed_spread(values), ()
    drawn = "one seed says" if seeds == 1 else f"{seeds} seeds say"
    return image_spread(values), (f"interval over images alone: {drawn} too little of how seeds differ",)


def _of_numbers(numbers: Mapping[int, float]) -> Estimate | None:
    values = np.array(list(numbers.values()), dtype=float)
    if not len(values):
        return None
    if len(values) < ENOUGH_SEEDS:
        return Estimate(float(values.mean()), seeds=len(values), notes=(_too_few(len(values)),))
    spread = seed_spread(values)
    same = ("every seed gives the same",) if float(spread.variance) == 0 else ()
    return _estimate(spread, interval(spread), len(values), 0, (OVER_SEEDS, *same))


def _too_few(seeds: int) -> str:
    return f"no interval: one number a run, and {_count(seeds, 'seed')}"


def _estimate(
    spread: Spread, ends: tuple[Any, Any], seeds: int, images: int, notes: tuple[str, ...]
) -> Estimate:
    return Estimate(
        float(spread.mean),
        float(ends[0]),
        float(ends[1]),
        math.sqrt(float(spread.variance)),
        float(spread.freedom),
        seeds,
        images,
        notes=notes,
    )


def _tested(
    pair: Difference, spread: Spread, seeds: int, images: int, deviation: float, notes: tuple[str, ...]
) -> Difference:
    """A pair with its difference, everything that is tested of it, and the effect against a standard deviation."""
    found = _estimate(spread, interval(spread), seeds, images, notes)
    p = float(p_value(spread))
    constant: tuple[str, ...] = ()
    if float(spread.variance) == 0:
        same = "the two rows are the same in every value"
        other = "every value differs by the same amount, so nothing is tested"
        constant = (same if found.value == 0 else other,)
    return replace(
        pair,
        estimate=found,
        effect=found.value / deviation if deviation > 0 else None,
        p=None if math.isnan(p) else p,
        visible=visible_difference(spread),
        equivalence=None if pair.margin is None else equivalence_p(spread, pair.margin),
        notes=constant,
    )


def turned(spread: Spread, sign: int) -> Spread:
    """That of the mean times ``sign``, 1 or −1."""
    return spread._replace(mean=sign * spread.mean)


def _finite(numbers: Mapping[int, float]) -> dict[int, float]:
    return {seed: value for seed, value in numbers.items() if math.isfinite(value)}


def _left_out(common: int, there: Sequence[int], what: str) -> tuple[str, ...]:
    if all(count == common for count in there):
        return ()
    return (f"over the {_count(common, what)} that both rows have",)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
