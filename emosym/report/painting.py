"""What a report says of painting: the pictures with the judge's verdict, and the emotion space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from emosym.predictions import Predictions
from emosym.report.charts import space_diagram
from emosym.report.files import read_json
from emosym.report.numbers import share
from emosym.report.pictures import SHEET, file_as_url
from emosym.report.sheet import by_label

SHEETS = {
    "real": "Pictures of the data, for comparison",
    "generated": "Painted",
    "bank": "In the memory bank",
}
"""Contact sheets of a run by file name."""


class Painted(NamedTuple):
    """A painted picture on the page."""

    url: str
    said: str
    """In words, for those who do not see it."""
    verdict: str
    """What the judge reads; empty without one."""
    right: bool


class Row(NamedTuple):
    """Pictures of one emotion."""

    name: str
    pictures: Sequence[Painted]
    agreed: str
    """How many of all that were painted the judge reads so; empty without one."""


def verdicts(folder: Path, made: Predictions | None) -> list[Row]:
    """Up to twelve painted pictures of each emotion with what the judge reads in them; none where the pictures are gone."""
    if made is None:
        return []
    rows = []
    places = by_label(((place, label) for place, label in enumerate(made.labels.tolist())), made.names)
    for name, shown in places.items():
        pictures = [one for place in shown if (one := _painted(folder, made, place)) is not None]
        if pictures:
            rows.append(Row(name, pictures, _agreed(made, made.names.index(name), len(pictures))))
    return rows


def _painted(folder: Path, made: Predictions, place: int) -> Painted | None:
    url = file_as_url(folder / "images" / made.ids[place])
    if url is None:
        return None
    wanted = made.names[made.labels[place]]
    if made.probabilities is None:
        return Painted(url, f"painted for {wanted}", "", True)
    row = made.probabilities[place]
    read = made.names[row.argmax()]
    right = read == wanted
    verdict = share(row.max()) if right else f"{read} {share(row.max())}"
    return Painted(url, f"painted for {wanted}; the judge reads {read}, {share(row.max())}", verdict, right)


def _agreed(made: Predictions, label: int, shown: int) -> str:
    if made.probabilities is None:
        return ""
    own = made.probabilities[made.labels == label].argmax(1) == label
    some = f"; {shown} of them are shown" if shown < len(own) else ""
    return f"the judge agrees with {own.sum()} of {len(own)}{some}"


def sheets(folder: Path, names: Sequence[str]) -> list[tuple[str, str]]:
    """Title and picture of those contact sheets that are there."""
    found = [
        (SHEETS[name], file_as_url(folder / "sheets" / f"{name}.png", SHEET, 20 * SHEET)) for name in names
    ]
    return [(title, url) for title, url in found if url is not None]


def space(folder: Path) -> tuple[str, list[tuple[str, str]]] | None:
    """The emotion space on a plane, and its colours; None where the run did not keep it."""
    kept = read_json(folder / "evaluation" / "final-space.json")
    return None if kept is None else space_diagram(kept)
