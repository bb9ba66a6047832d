from __future__ import annotations

from PIL import Image

from emosym.report.sheet import CELL, EMPTY, GAP, contact_sheet, in_turns

RED, BLUE = (255, 0, 0), (0, 0, 255)


def square(colour: tuple[int, int, int], side: int = 64) -> Image.Image:
    return Image.new("RGB", (side, side), colour)


def test_rows_hold_their_own_pictures_in_order() -> None:
    sheet = contact_sheet({"awe": [square(RED), square(BLUE)], "fear": [square(BLUE)]})
    right, middle = sheet.width - GAP - CELL // 2, CELL // 2 + GAP
    assert sheet.getpixel((right - CELL - GAP, middle)) == RED
    assert sheet.getpixel((right, middle)) == BLUE
    assert sheet.getpixel((right - CELL - GAP, middle + CELL + GAP)) == BLUE


def test_groups_take_turns_and_any_first_few_are_even() -> None:
    assert in_turns([("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c"), ("c2", "c")]) == [
        *("a1", "b1", "c1"),
        *("a2", "c2"),
        "a3",
    ]


def test_a_missing_picture_leaves_a_grey_place() -> None:
    sheet = contact_sheet({"awe": [square(RED), square(RED)], "fear": [square(BLUE)]})
    assert sheet.getpixel((sheet.width - GAP - CELL // 2, sheet.height - GAP - CELL // 2)) == EMPTY


def test_scale_sets_the_size_of_pictures() -> None:
    small, large = (contact_sheet({"awe": [square(RED)]}, scale=scale) for scale in (1, 2))
    assert (small.height, large.height) == (64 + 2 * GAP, 128 + 2 * GAP)


def test_labels_are_drawn() -> None:
    sheet = contact_sheet({"contentment": [square(RED)]})
    margin = sheet.crop((0, 0, sheet.width - CELL - 2 * GAP, sheet.height)).convert("L")
    assert margin.getextrema()[0] < 100


def test_a_run_without_any_picture_still_has_a_sheet() -> None:
    assert contact_sheet({"awe": [], "fear": []}).height == 2 * (CELL + GAP) + GAP


def test_a_name_of_any_length_and_lines_is_one_short_line_beside_its_row() -> None:
    long = contact_sheet(
        {"joy\nand\x00more": [square(RED)], "x" * 9000: [square(BLUE)], "x" * 9001: [square(RED)]}
    )
    assert long.width < 1000
    assert long.height == 3 * (CELL + GAP) + GAP
