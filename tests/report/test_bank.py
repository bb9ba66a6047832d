from __future__ import annotations

from emosym.report.bank import plainly


def test_reasons_that_differ_by_numbers_alone_are_one_with_their_range() -> None:
    reasons = [
        "the score 0.2134 is below the 0.5 asked",
        "the score 0.0400 is below the 0.5 asked",
        "full: 12 have joined",
    ]
    assert plainly(reasons) == [
        (2, "the score 0.04 to 0.213 is below the 0.5 asked"),
        (1, "full: 12 have joined"),
    ]


def test_ids_are_pictures_and_emotions_are_their_own() -> None:
    reasons = [
        f"too near to bank/{id}: 0.1 of the mean distance of {name}."
        for id, name in (("a1f", "awe"), ("9c", "fear"))
    ]
    (told,) = plainly(reasons, ("awe", "fear"))
    assert told == (2, "too near to another picture: 0.1 of the mean distance of its emotion.")


def test_the_commonest_reason_comes_first_and_equal_counts_by_the_alphabet() -> None:
    assert [reason for _, reason in plainly(["c", "b", "a", "c"])] == ["c", "a", "b"]
