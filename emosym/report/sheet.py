"""Contact sheets: one row of pictures an emotion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from PIL import Image, ImageDraw, ImageFont

CELL = 96
"""Side of a picture on the sheet, in pixels, where no scale is given."""
GAP = 4
COLUMNS = 12
"""Most pictures of an emotion that a run's sheets show."""
TEXT = 15
LONGEST = 40
"""Most characters of a name beside its row."""
INK, PAPER, EMPTY = (40, 40, 40), (255, 255, 255), (238, 238, 238)


_Item = TypeVar("_Item")


def by_label(labelled: Iterable[tuple[_Item, int | None]], names: Sequence[str]) -> dict[str, list[_Item]]:
    """At most :data:`COLUMNS` items of each name, by labels that are indices into ``names``."""
    rows: dict[str, list[_Item]] = {name: [] for name in names}
    for item, label in labelled:
        if label is not None and label >= 0 and len(rows[names[label]]) < COLUMNS:
            rows[names[label]].append(item)
    return rows


def in_turns(grouped: Iterable[tuple[_Item, Hashable]]) -> list[_Item]:
    """Items in turns of their groups: the first of each group, then the second of each, so that any first few are as even a
    choice as there is."""
    before: Counter[Hashable] = Counter()
    turns = []
    for item, group in grouped:
        turns.append((before[group], item))
        before[group] += 1
    return [item for _, item in sorted(turns, key=lambda turn: turn[0])]


def _shown(name: str) -> str:
    """A name as one short line, whatever is in it."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def contact_sheet(rows: Mapping[str, Sequence[Image.Image]], scale: float | None = None) -> Image.Image:
    """A picture of pictures: each row is labelled by its key, places without a picture are grey.

    ``scale`` enlarges pictures by that factor; None makes the first picture 96 pixels wide. Pictures of other sizes
    are fitted into the same cell.
    """
    first = next((picture for row in rows.values() for picture in row), None)
    side = first.size if first is not None else (CELL, CELL)
    factor = CELL / side[0] if scale is None else scale
    width, height = max(1, round(side[0] * factor)), max(1, round(side[1] * factor))
    font = ImageFont.load_default(TEXT)
    names = [_shown(name) for name in rows]
    margin = max((round(font.getlength(name)) for name in names), default=0) + 3 * GAP
    most = max((len(row) for row in rows.values()), default=0)
    sheet = Image.new(
        "RGB", (margin + most * (width + GAP) + GAP, max(1, len(rows)) * (height + GAP) + GAP), PAPER
    )
    draw = ImageDraw.Draw(sheet)
    for line, (name, pictures) in enumerate(zip(names, rows.values(), strict=True)):
        top = GAP + line * (height + GAP)
        draw.text((margin - 2 * GAP, top + height / 2), name, fill=INK, font=font, anchor="rm")
        for place in range(most):
            left = margin + place * (width + GAP)
            if place < len(pictures):
                sheet.paste(
                    pictures[place].convert("RGB").resize((width, height), Image.Resampling.LANCZOS),
                    (left, top),
                )
            else:
                draw.rectangle((left, top, left + width - 1, top + height - 1), fill=EMPTY)
    return sheet
