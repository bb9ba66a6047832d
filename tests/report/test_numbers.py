from __future__ import annotations

import pytest

from emosym.report.numbers import clock, interval, number, share


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (65, "1:05"), (3600, "1:00:00"), (59.6, "1:00")])
def test_time_is_shown_as_a_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_share_shows_its_interval_where_it_has_one() -> None:
    assert (
        interval({"accuracy": 0.8125, "accuracy_low": 0.789, "accuracy_high": 0.835}, "accuracy")
        == "81.2 % (78.9–83.5)"
    )
    assert interval({"accuracy": 0.8125}, "accuracy") == "81.2 %"


def test_what_is_not_there_is_a_dash() -> None:
    assert (share(None), number(None), clock(None), interval({}, "emo_a")) == ("–",) * 4
