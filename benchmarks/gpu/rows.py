"""Measurements as records, and the file that keeps them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emosym.toolkit import read_json, write_json


@dataclass(frozen=True)
class Row:
    """One number, named CASE/WHAT: ``value`` in ``unit``, None where there is none and ``note`` says why; ``target`` such as
    "≥ 0.4", and whether it is ``met``, None where there is no number or no target."""

    name: str
    value: float | None
    unit: str
    target: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def case(self) -> str:
        """Of what the number is."""
        return self.name.rpartition("/")[0]


def missing(case: str, why: str) -> Row:
    """The row of what could not be measured of a case."""
    return Row(f"{case}/missing", None, "", note=why)


def row(
    name: str,
    value: float | None,
    unit: str,
    note: str = "",
    *,
    least: float | None = None,
    most: float | None = None,
) -> Row:
    """A row whose value should be at ``least`` or at ``most`` a number."""
    if least is not None:
        return Row(name, value, unit, f"≥ {least:.3g}", None if value is None else value >= least, note)
    if most is not None:
        return Row(name, value, unit, f"≤ {most:.3g}", None if value is None else value <= most, note)
    return Row(name, value, unit, note=note)


@dataclass
class Results:
    """Rows by name, written whole to ``path`` after every change, or nowhere. ``machine`` says of what they are; rows that the
    file has of the same machine are kept until they are measured anew."""

    path: Path | None
    machine: Mapping[str, Any]
    rows: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is None or not self.path.exists():
            return
        found = read_json(self.path)
        if {key: found.get(key) for key in self.machine} == self.machine:
            self.rows = {one["name"]: Row(**one) for one in found["rows"]}

    def replace(self, case: str, rows: list[Row]) -> None:
        """Put ``rows`` in the place of those that ``case`` had."""
        kept = {name: one for name, one in self.rows.items() if one.case != case}
        self.rows = {**kept, **{one.name: one for one in rows}}
        self.write()

    def measured(self, case: str) -> bool:
        """Whether the file has numbers of ``case``."""
        return any(one.case == case and one.value is not None for one in self.rows.values())

    def write(self) -> None:
        """Write what there is."""
        if self.path is not None:
            rows = [asdict(one) for one in self.rows.values()]
            write_json(self.path, {"date": time.strftime("%Y-%m-%d"), **self.machine, "rows": rows})
