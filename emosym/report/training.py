"""What a report says of training: curves, reward terms, tries, and which tensors the losses reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emosym.report import METRICS, ROLLOUTS
from emosym.report.curves import Drawn, stage_curves
from emosym.report.files import read_json
from emosym.report.numbers import NOTHING, Style, duration, number, share, signed
from emosym.report.tables import Table
from emosym.spec.model import STAGES
from emosym.toolkit import read_json_lines

TRIES = 24
"""Tries that are shown at most."""


class StageShown(NamedTuple):
    """A stage on the page."""

    name: str
    facts: str
    """Steps, time and trained parameters in a line; empty where nothing is known."""
    stopped: str
    """Why it ended before its last step; empty where it did not."""
    calibrated: str
    """What calibration after it did to its figures; empty without."""
    panels: Sequence[Drawn]


def stages(folder: Path, stopped: Mapping[str, str]) -> list[StageShown]:
    """The stages that have logged or finished something."""
    lines = read_json_lines(folder / METRICS)
    done = read_json(folder / "checkpoints" / "progress.json") or {}
    found = []
    for stage in STAGES:
        of = done.get(stage) or {}
        found.append(
            StageShown(
                stage,
                _facts(of),
                stopped.get(stage, ""),
                _calibrated(of.get("temperature")),
                stage_curves(lines, stage),
            )
        )
    return [one for one in found if one.panels or one.facts]


def _calibrated(temperature: float | None) -> str:
    if temperature is None:
        return ""
    surer, raises = ("less sure", "lowers") if temperature > 1 else ("surer", "raises")
    below = ", maybe to less than after the stage before" if temperature > 1 else ""
    return (
        f"At its end the readings were calibrated (temperature {number(temperature)}): they are {surer}, and no answer changes. "
        f"This {raises} the held-out reward, which counts each emotion by its probability{below}; the held-out reward of the "
        "most probable emotion stays as it is."
    )


def _facts(done: Mapping[str, Any]) -> str:
    parts = [f"{done['steps']:,} steps"] if isinstance(done.get("steps"), int) else []
    parts += [duration(done["seconds"])] if "seconds" in done else []
    many = done.get("parameters")
    parts += [f"{many:,} trained parameters"] if isinstance(many, int) else []
    parts += ["taken from another run of the same things"] if "taken" in done else []
    return ", ".join(parts)


def reward_terms(folder: Path, style: Style) -> Table | None:
    """What each reward pays and how it went in the stage reinforce, over the first and the last tenth of its steps; None
    without rewards."""
    logged: dict[str, dict[str, list[float]]] = {}
    for line in read_json_lines(folder / METRICS):
        for name, value in line.items():
            parts = name.split("/")
            if len(parts) == 3 and parts[0] == "reward" and isinstance(value, (int, float)):
                logged.setdefault(parts[1], {}).setdefault(parts[2], []).append(value)
    rows = []
    for name, own in logged.items():
        mean = own.get("mean", [])
        if mean:
            tenth = max(1, len(mean) // 10)
            first, last = float(np.mean(mean[:tenth])), float(np.mean(mean[-tenth:]))
            spread, flat = (float(np.mean(own[key])) if own.get(key) else None for key in ("std", "flat"))
            change = signed(last - first, percent=False)
            about = style.about(f"reward_{name}").about
            rows.append((name, number(first), number(last), change, number(spread), share(flat), about))
    header = (
        *("reward", "at first", "at last", "change", "spread of tries"),
        *("nothing to learn from", "what it pays"),
    )
    return Table(header, rows) if rows else None


class Tries(NamedTuple):
    """Some tries of the stage reinforce."""

    step: int
    table: Table


def last_tries(folder: Path) -> Tries | None:
    """The tries that were written down last: their step, and a row for each."""
    lines = read_json_lines(folder / ROLLOUTS)
    if not lines:
        return None
    step = lines[-1]["step"]
    shown = [line for line in lines if line["step"] == step]
    names = list(shown[0]["tries"][0]["rewards"])
    rows = [
        (
            line["id"],
            line["label"] or NOTHING,
            one["action"],
            number(one["probability"]),
            *(number(one["rewards"][name]) for name in names),
            number(one["total"]),
            signed(one["advantage"], percent=False),
        )
        for line in shown
        for one in line["tries"]
    ]
    header = ("image", "annotated", "answer", "probability", *names, "total", "advantage")
    return Tries(step, Table(header, rows[:TRIES]))


def reachability(folder: Path) -> Table | None:
    """By stage and group the trained tensors, how many had a gradient in the first steps, and between which sizes."""
    rows = []
    for stage in STAGES:
        groups: dict[str, list[float]] = {}
        for name, value in (read_json(folder / "evaluation" / f"gradients-{stage}.json") or {}).items():
            groups.setdefault(name.split("/")[0], []).append(value)
        for group, values in groups.items():
            reached = [value for value in values if value]
            ends = (number(min(reached)), number(max(reached))) if reached else (NOTHING, NOTHING)
            rows.append((stage, group, f"{len(values):,}", f"{len(reached):,}", *ends))
    header = ("stage", "group", "tensors", "with a gradient", "smallest", "largest")
    return Table(header, rows) if rows else None
