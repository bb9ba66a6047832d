"""``report.html``: a run on one page, with everything inside the file."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emosym.report.curves import stage_curves
from emosym.report.numbers import around, clock, further, interval, number, share
from emosym.spec.model import STAGES
from emosym.toolkit import written_whole

SHEETS = {"generated": "Generated", "real": "Real", "bank": "In the memory bank"}


def write_report(run: Path) -> Path:
    """Write ``report.html`` from what lies in a run folder, whole or not at all; parts that are missing are left out."""
    import jinja2

    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)
    environment.filters |= {"share": share, "number": number, "clock": clock, "interval": interval}
    page = environment.get_template("report.html.jinja").render(**facts(Path(run)))
    path = Path(run) / "report.html"
    with written_whole(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def facts(run: Path) -> dict[str, Any]:
    """What the page shows."""
    from markupsafe import Markup

    from emosym.experiment.trackers import METRICS, read_metrics

    summary = read_json(run / "summary.json") or {}
    final = read_json(run / "evaluation" / "final.json") or {}
    lines = read_metrics(run / METRICS)
    drawn = {stage: stage_curves(lines, stage) for stage in STAGES}
    return {
        "name": summary.get("name", run.name),
        "summary": summary,
        "bayes": (summary.get("understanding") or {}).get("bayes"),
        "tiles": tiles(summary.get("understanding") or {}, summary.get("generation") or {}),
        "stages": [row for stage in STAGES if (row := stage_row(stage, summary)) is not None],
        "further": further_rows(summary.get("understanding") or {}),
        "confusions": confusions(run, final),
        "curves": {stage: Markup(svg) for stage, svg in drawn.items() if svg is not None},
        "sheets": {title: inlined(run / "sheets" / f"{name}.png") for name, title in SHEETS.items()},
        "bank": bank_history(run / "ledger.jsonl"),
        "spec": (run / "spec.yaml").read_text(encoding="utf-8") if (run / "spec.yaml").exists() else "",
        "provenance": read_json(run / "provenance.json") or {},
    }


def stage_row(stage: str, summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """A line of the table of stages, None for a stage that the run does not have."""
    figures = (summary.get("understanding") or {}).get("stages", {}).get(stage)
    if figures is None:
        return None
    return {"name": stage, "seconds": (summary.get("seconds") or {}).get(stage), **figures}


def further_rows(understanding: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Figures beside accuracy and macro-F1, after each stage that was measured."""
    stages = understanding.get("stages") or {}
    measured = [stages[stage] for stage in STAGES if stage in stages]
    names = dict.fromkeys(name for figures in measured for name in further(figures))
    return [(name.replace("_", " "), [around(figures, name) for figures in measured]) for name in names]


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
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def tiles(understanding: Mapping[str, Any], generation: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    """The figures at the top: name, value, what to compare it with."""
    found = []
    if "accuracy" in understanding:
        bayes = understanding.get("bayes")
        found.append(
            ("accuracy", share(understanding["accuracy"]), f"optimum {share(bayes)}" if bayes else "")
        )
    if "macro_f1" in understanding:
        found.append(("macro-F1", share(understanding["macro_f1"]), ""))
    if "emo_a" in generation:
        real = generation.get("emo_a_real")
        found.append(("Emo-A", share(generation["emo_a"]), f"real {share(real)}" if real is not None else ""))
    if "diversity" in generation:
        real = generation.get("diversity_real")
        ratio = f"{share(generation['diversity'] / real)} of real" if real else ""
        found.append(("diversity", number(generation["diversity"]), ratio))
    return found
