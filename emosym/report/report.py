"""``report.html``: a run on one page, with everything inside the file."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emosym.report import METRICS, ROLLOUTS
from emosym.report.curves import stage_curves
from emosym.report.numbers import NOTHING, Style, clock, number, signed
from emosym.report.tables import tables
from emosym.spec.model import STAGES
from emosym.toolkit import read_json_lines, written_whole
from emosym.toolkit.files import read_json as read_file

SHEETS = {"generated": "Generated", "real": "Real", "bank": "In the memory bank"}


def write_report(run: Path) -> Path:
    """Write ``report.html`` from what lies in a run folder, whole or not at all; parts that are missing are left out."""
    import jinja2

    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)
    environment.filters["clock"] = clock
    page = environment.get_template("report.html.jinja").render(**facts(Path(run)))
    path = Path(run) / "report.html"
    with written_whole(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def facts(run: Path) -> dict[str, Any]:
    """What the page shows."""
    from markupsafe import Markup

    summary = read_json(run / "summary.json") or {}
    final = read_json(run / "evaluation" / "final.json") or {}
    lines = read_json_lines(run / METRICS)
    drawn = {stage: stage_curves(lines, stage) for stage in STAGES}
    return {
        "name": summary.get("name", run.name),
        "summary": summary,
        "tiles": tiles(summary),
        "tables": list(tables(summary)),
        "confusions": confusions(run, final),
        "curves": {stage: Markup(svg) for stage, svg in drawn.items() if svg is not None},  # noqa: S704 - a curve that we draw
        "sheets": {title: inlined(run / "sheets" / f"{name}.png") for name, title in SHEETS.items()},
        "rollouts": last_rollouts(run / ROLLOUTS),
        "bank": bank_history(run / "ledger.jsonl"),
        "spec": (run / "spec.yaml").read_text(encoding="utf-8") if (run / "spec.yaml").exists() else "",
        "provenance": read_json(run / "provenance.json") or {},
    }


def confusions(run: Path, final: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Confusion matrices of every stage and of the final system: rows are the truth, cells counts and shares of a row."""
    found = [(f"after {stage}", read_json(run / "evaluation" / f"{stage}.json")) for stage in STAGES]
    if found[-1][1] is None:
        found.append(("final", final.get("understanding")))
    matrices = []
    for title, figures in found:
        if not figures or "confusion" not in figures:
            continue
        rows = [
            {
                "name": name,
                "cells": [{"count": count, "share": count / max(1, sum(counts))} for count in counts],
            }
            for name, counts in zip(figures["names"], figures["confusion"], strict=True)
        ]
        matrices.append({"title": title, "names": figures["names"], "rows": rows})
    return matrices


def last_rollouts(path: Path) -> dict[str, Any] | None:
    """The tries that were written down last in the stage reinforce: their step, the rewards' names, and a row for each."""
    lines = read_json_lines(path)
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
    return {"step": step, "names": names, "rows": rows}


def bank_history(path: Path) -> dict[str, Any] | None:
    """What the bank's ledger says: counts of each action at each step, and the reasons of refusals."""
    if not path.exists():
        return None
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not entries:
        return None
    steps: dict[int, Counter[str]] = {}
    for entry in entries:
        steps.setdefault(entry["step"], Counter())[entry["action"]] += 1
    actions = sorted({entry["action"] for entry in entries} - {"refresh"})
    refusals = Counter(_general(entry["reason"]) for entry in entries if entry["action"] == "refuse")
    return {
        "actions": actions,
        "steps": [
            {"step": step, "counts": [counts[action] for action in actions]}
            for step, counts in sorted(steps.items())
        ],
        "refusals": refusals.most_common(8),
        "undone": [entry["reason"] for entry in entries if entry["action"] in ("rollback", "restore")],
    }


def _general(reason: str) -> str:
    """A reason without its numbers, so that equal reasons count together."""
    return " ".join("…" if any(c.isdigit() for c in word) else word for word in reason.split())


def inlined(path: Path) -> str | None:
    """A picture as a data URL, None where there is none."""
    if not path.exists():
        return None
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def read_json(path: Path) -> Any:
    """What a JSON file holds, None where there is no file."""
    return read_file(path) if path.exists() else None


def tiles(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The figures at the top: title, value, what to compare it with."""
    style, shown = Style.of(summary), []
    for group in ("understanding", "generation"):
        figures = summary.get(group) or {}
        for name in style.headlines(figures):
            beside = style.beside(name)
            compared = f"{style.title(beside)} {style.value(figures, beside)}" if beside in figures else ""
            shown.append((style.title(name), style.value(figures, name), compared))
    return shown
