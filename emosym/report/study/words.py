"""Each number of a study as people read it: the same words in every format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emosym.contracts import Figure
from emosym.report.numbers import NOTHING, clock, ends, minus, number, share, signed
from emosym.report.study.results import ALPHA, Difference, Estimate, Tested

BETWEEN = " · "
"""Between a number and what it is over; formats may break the line there."""


def estimate_text(about: Figure, estimate: Estimate | None) -> str:
    """``82.4 % (81.1–83.7) · 3 seeds × 3,000 images``."""
    if estimate is None:
        return NOTHING
    value = minus(share(estimate.value) if about.percent else number(estimate.value))
    if estimate.low is not None and estimate.high is not None:
        value += f" ({ends(estimate.low, estimate.high, percent=about.percent)})"
    return value + BETWEEN + over(estimate)


def over(estimate: Estimate) -> str:
    """What a number is over: ``3 seeds × 3,000 images``."""
    parts = [count(estimate.seeds, "seed")] if estimate.seeds else []
    parts += [count(estimate.images, estimate.of)] if estimate.images else []
    return " × ".join(parts)


def count(many: int, what: str) -> str:
    """``1 seed``, ``3,000 images``."""
    return f"{many:,} {what}{'' if many == 1 else 's'}"


def difference_text(about: Figure, found: Difference) -> str:
    """``+1.3 points (−0.4 to +3.0) · 3 seeds × 3,000 images``."""
    estimate = found.estimate
    if estimate is None:
        return NOTHING
    unit = " points" if about.percent else ""
    digits = _digits(about, estimate.low, estimate.high)
    value = signed(estimate.value, percent=about.percent, digits=digits) + unit
    if estimate.low is not None and estimate.high is not None:
        low, high = (
            signed(end, percent=about.percent, digits=digits) for end in (estimate.low, estimate.high)
        )
        value += f" ({low} to {high})"
    return value + BETWEEN + over(estimate)


def _digits(about: Figure, *bounds: float | None) -> int:
    """Decimals of points, so many that no end of an interval which has a sign is shown as zero; three at the most."""
    ends_of = [abs(100 * end) for end in bounds if end] if about.percent else []
    return next((digits for digits in (1, 2) if all(round(end, digits) for end in ends_of)), 3)


def titled(about: Figure) -> str:
    """A figure's title, with an arrow towards what is better."""
    arrow = {True: " ↑", False: " ↓", None: ""}[about.higher_is_better]
    return about.title + arrow


def size_text(about: Figure, value: float | None) -> str:
    """A difference without its sign: ``1.8 points``."""
    if value is None:
        return NOTHING
    return f"{100 * value:.1f} points" if about.percent else number(value)


def p_text(p: float | None) -> str:
    """``0.034``, ``< 0.001``."""
    if p is None:
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def equivalence_text(about: Figure, found: Difference) -> str:
    """``±2.0 points: p 0.037``; a dash where no margin was given."""
    if found.margin is None:
        return NOTHING
    return f"±{size_text(about, found.margin)}: p {p_text(found.equivalence_corrected)}"


def asked_text(about: Figure, test: Tested) -> str:
    """``> 10.0 points``, ``within ±1.0 points``, ``> −1.0 points``, ``≥ 10 times``."""
    if test.asked == "times":
        return f"> {test.bound:g} times"
    size = size_text(about, abs(test.bound))
    if test.asked == "within":
        return f"within ±{size}"
    bound = -test.bound if test.asked == "not below" else test.bound
    return f"> {'−' if bound < 0 else ''}{size}" if bound else "> 0"


def tested_text(about: Figure, test: Tested) -> str:
    """What came out of a test: ``+16.9 points (12.1 to 21.7) · 5 seeds × 3,000 images``."""
    estimate = test.estimate
    if estimate is None:
        return "not measured"
    if test.asked == "times":
        low, high = (NOTHING if end is None else number(end) for end in (estimate.low, estimate.high))
        return f"{number(estimate.value)} times ({low}–{high})" + BETWEEN + over(estimate)
    if not test.base:
        return estimate_text(about, estimate)
    return difference_text(about, Difference(test.base, test.row, test.figure, estimate))


def effect_text(effect: float | None) -> str:
    """A standardised effect with two decimals and its sign."""
    if effect is None:
        return NOTHING
    return minus(f"{effect:+.2f}") if round(effect, 2) else "0.00"


def verdict(about: Figure, found: Difference) -> str:
    """What may be said of a pair: ``better``, ``no difference shown``, ``equivalent within ±1.0 points``."""
    if found.estimate is None:
        return "not compared"
    within = f"±{size_text(about, found.margin)}"
    equivalent = found.equivalence_corrected is not None and found.equivalence_corrected < ALPHA
    if found.corrected is None:
        return f"equivalent within {within}" if equivalent else "not tested"
    if found.corrected < ALPHA:
        word = _direction(about, found.estimate.value)
        return f"{word}, by less than {within}" if equivalent else word
    if equivalent:
        return f"equivalent within {within}"
    undecided = f", nor equivalence within {within}" if found.margin is not None else ""
    if found.p is not None and found.p < ALPHA:
        return f"{_direction(about, found.estimate.value)} on its own, not after correction{undecided}"
    return f"no difference shown{undecided}"


def _direction(about: Figure, value: float) -> str:
    if about.higher_is_better is None:
        return "higher" if value > 0 else "lower"
    return "better" if (value > 0) == about.higher_is_better else "worse"


def pair_text(found: Difference) -> str:
    """``no rewards − tiny``."""
    return f"{found.second} − {found.first}"


def overrides_text(overrides: Mapping[str, Any]) -> str:
    """``fusion.name=gated, stages.reinforce=null``: as ``--set`` takes them."""
    return ", ".join(f"{key}={_plain(value)}" for key, value in overrides.items()) or NOTHING


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, ensure_ascii=False, default=str)


def seconds_text(seconds: float | None) -> str:
    """``1:05``."""
    return NOTHING if seconds is None else clock(seconds)


def parameters_text(many: int | None) -> str:
    """``12,345``."""
    return NOTHING if many is None else f"{many:,}"


def memory_text(size: float | None) -> str:
    """``1.4 GiB``."""
    return NOTHING if size is None else f"{size / 2**30:.1f} GiB"
