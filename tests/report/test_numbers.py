from __future__ import annotations

import pytest

from emosym.contracts import Figure
from emosym.report.numbers import Style, clock, duration, number, share

STYLE = Style({"accuracy": Figure("accuracy", percent=True)})


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (65, "1:05"), (3600, "1:00:00"), (59.6, "1:00")])
def test_time_is_shown_as_a_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_figure_shows_its_interval_where_it_has_one() -> None:
    share_of = {"accuracy": 0.8125, "accuracy_low": 0.789, "accuracy_high": 0.835}
    assert STYLE.with_interval(share_of, "accuracy") == "81.2 % (78.9–83.5)"
    assert STYLE.with_interval({"accuracy": 0.8125}, "accuracy") == "81.2 %"
    assert (
        STYLE.with_interval({"ece": 0.0532, "ece_low": 0.04, "ece_high": 0.07}, "ece") == "0.0532 (0.04–0.07)"
    )


def test_what_is_not_there_is_a_dash() -> None:
    assert (share(None), number(None), clock(None), STYLE.with_interval({}, "emo_a")) == ("–",) * 4


def test_headline_figures_come_in_the_order_of_their_metrics_and_others_after_them() -> None:
    style = Style({"b": Figure("b", headline=True, beside="b_real"), "a": Figure("a", headline=True)})
    figures = {"a": 1, "b": 2.0, "b_low": 1.0, "b_high": 3.0, "b_real": 2.5, "c": 3, "images": 8, "names": []}
    assert style.headlines(figures) == ["b", "a"]
    assert style.others([figures]) == ["c"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(7.4, "7 s"), (178, "2 min 58 s"), (119.6, "2 min 0 s"), (5400, "1 h 30 min"), (None, "–")],
)
def test_a_duration_has_its_units(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said
