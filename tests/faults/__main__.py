"""``make faults``: hundreds of kills and faults, then docs/reliability.json and docs/reliability.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from emosym_registry import load_registry

from .harness import Campaign, Counts, evaluated, kills, reported, starved
from .postgres import stopped_in_a_refresh, there_is_one

ROOT = Path(__file__).parents[2]
OPERATIONS = 60
"""File operations of a session of which one is struck: a step and its checkpoint make about 20."""


def main() -> int:
    words = argparse.ArgumentParser(prog="make faults", description=__doc__)
    words.add_argument("--kills", type=int, default=300)
    words.add_argument("--starved", type=int, default=60)
    words.add_argument("--specs", type=int, default=5000)
    words.add_argument("--images", type=int, default=1000)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--out", type=Path, default=ROOT / "docs")
    given = words.parse_args()
    os.environ.setdefault("EMOSYM_CACHE", tempfile.mkdtemp(prefix="emosym-faults-cache-"))
    begun, registry = time.monotonic(), load_registry()
    with tempfile.TemporaryDirectory(prefix="emosym-faults-") as name:
        folder = Path(name)
        campaign = Campaign.begun(registry, folder)
        counts = Counts()

        def add(what: str, more: Counts) -> None:
            counts.add(more)
            shown = {
                key: value for key, value in vars(more).items() if key not in ("places", "notes") and value
            }
            print(f"{what}: {shown}", *more.notes, sep="\n  ", flush=True)

        for number in range(1000):
            if counts.kills >= given.kills:
                break
            chance = random.Random(given.seed * 1000 + number)
            add(f"killed {number}", campaign.chain(f"killed-{number}", kills(chance, OPERATIONS), 20))
        number = 0
        while counts.faults < given.starved:
            number += 1
            chance = random.Random(given.seed * 2000 + number)
            add(f"starved {number}", campaign.chain(f"starved-{number}", starved(chance, OPERATIONS), 12))
        for verb, work in (("evaluated", evaluated(registry)), ("reported", reported)):
            chance = random.Random(given.seed)
            add(verb, campaign.after_the_run(verb, work, kills(chance, 40 if verb == "evaluated" else 6), 15))
        stops = Counts()
        if there_is_one():
            stops = stopped_in_a_refresh(registry, folder / "postgres")
            add("PostgreSQL", stops)
        facts: dict[str, Any] = {
            "kills": counts.kills,
            "other_faults": counts.faults,
            "postgres_stops": stops.faults,
            "chains": counts.chains,
            "divergences": counts.divergences,
            "failures_to_resume": counts.not_resumed,
            "leftovers": counts.leftovers,
            "hangs": counts.hangs,
            "tracebacks": counts.tracebacks,
        }
        facts |= others(given, facts)
    facts |= {
        "places": dict(sorted(counts.places.items(), key=lambda item: (-item[1], item[0]))),
        "notes": counts.notes,
        "seed": given.seed,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }
    (given.out / "reliability.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (given.out / "reliability.md").write_text(page(facts), encoding="utf-8")
    bad = ("divergences", "failures_to_resume", "leftovers", "hangs", "tracebacks", "silent_wrong")
    return int(any(facts.get(one) for one in bad) or bool(counts.notes))


def others(given: argparse.Namespace, facts: dict[str, Any]) -> dict[str, Any]:
    """Two processes, mutated specs and damaged pictures."""
    from .damaged_images import damaged
    from .processes import differences
    from .specs import mutated

    with tempfile.TemporaryDirectory(prefix="emosym-processes-") as name:
        apart = differences(Path(name))
    specs, images = mutated(given.specs, seed=given.seed), damaged(given.images, seed=given.seed)
    return {
        "processes_2_difference_by_stage": {stage: float(f"{value:.2g}") for stage, value in apart.items()},
        "processes_2_max_difference": float(f"{max(apart.values()):.2g}"),
        "fuzzed_specs": specs["specs"],
        "slow_specs": specs["slow"],
        "damaged_images": images["images"],
        "tracebacks": facts["tracebacks"] + specs["tracebacks"] + images["tracebacks"],
        "hangs": facts["hangs"] + specs["hangs"] + images["hangs"],
        "silent_wrong": images["silent_wrong"],
    }


def page(facts: dict[str, Any]) -> str:
    """The counts for people."""
    shown = "\n".join(
        f"| {key.replace('_', ' ')} | {value} |"
        for key, value in facts.items()
        if not isinstance(value, (dict, list))
    )
    places = "\n".join(f"| {place} | {count} |" for place, count in list(facts["places"].items())[:40])
    return f"""# What was tried to break a run

`make faults` forks runs of the embedded system, kills each again and again at a file operation or a moment of the clock, takes
its disk away, continues it, and compares weights, bank, metrics, figures, pictures and files with those of a run that nobody
disturbed. This page and `reliability.json` are what it wrote last.

| | |
|---|---|
{shown}

Where the faults struck, most often first (digits of names are written `#`):

| place | times |
|---|---|
{places}
"""


if __name__ == "__main__":
    sys.exit(main())
