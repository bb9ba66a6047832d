"""Writes the table of presets into docs/explanation/method.md: ``python docs/presets.py``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from emosym_registry import Registry, load_registry

from emosym.spec import load_spec
from emosym.spec.explain import ABOUT_THE_RUN, PLACES, explain
from emosym.spec.nodes import bare

FILE = Path(__file__).parent / "explanation" / "method.md"
TABLE = re.compile(r"(?<=<!-- presets -->\n).*?(?=<!-- /presets -->)", re.DOTALL)
COMPARED = ("paper", "official", "emosym")
SHOWN = (*COMPARED, "tiny")


def table(registry: Registry) -> str:
    """Every value of the method that differs between the presets of the paper's size, and what `tiny` has there."""
    values = {name: _values(name, registry) for name in SHOWN}
    keys = list(dict.fromkeys(key for name in COMPARED for key in values[name]))
    rows = [
        (f"`{key}`", *(_cell(values[name].get(key)) for name in SHOWN))
        for key in keys
        if len({_cell(values[name].get(key)) for name in COMPARED}) > 1
    ]
    head = (("key", *(f"`{name}`" for name in SHOWN)), ("---",) * (1 + len(SHOWN)))
    return "".join(f"| {' | '.join(row)} |\n" for row in (*head, *rows))


def _values(preset: str, registry: Registry) -> Mapping[str, Any]:
    resolved = load_spec(f"preset:{preset}", registry=registry)
    rewards = ", ".join(f"{bare(one.name)} {one.weight:g}" for one in resolved.spec.rewards)
    return {"rewards": rewards, **dict(_rows(explain(resolved)))}


def _rows(rows: Any) -> Iterator[tuple[str, Any]]:
    for row in rows:
        first, last = row.path.split(".")[0], row.path.split(".")[-1]
        if first in ABOUT_THE_RUN | {"rewards", "metrics", "data", "judges", "optim"} or last in PLACES | {
            "preset"
        }:
            continue
        yield row.path, bare(row.value) if last == "name" and isinstance(row.value, str) else row.value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    made = table(load_registry())
    FILE.write_text(TABLE.sub(lambda _: made, FILE.read_text(encoding="utf-8")), encoding="utf-8")
    print(FILE)
