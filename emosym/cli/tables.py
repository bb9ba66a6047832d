"""The summary of a run as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emosym.cli.columns import columns
from emosym.report.numbers import around, clock, further, interval, number, share
from emosym.spec.model import STAGES


def print_summary(summary: Mapping[str, Any]) -> None:
    """Understanding after each stage beside the Bayes optimum, generation beside real images, and the cost."""
    print(_understanding_table(summary.get("understanding") or {}, summary.get("seconds") or {}))
    more = _further_table(summary.get("understanding") or {})
    if more:
        print(f"\n{more}")
    generation = summary.get("generation") or {}
    if generation:
        print(f"\n{_generation_table(generation)}")
    print(f"\n{cost_line(summary)}")


def print_figures(figures: Mapping[str, Any]) -> None:
    """Every number of an evaluation by its name."""
    print(
        columns(
            ("figure", "value"), [(name, number(value)) for name, value in _flatten(figures)], numbers=(1,)
        )
    )


def cost_line(summary: Mapping[str, Any]) -> str:
    """Time, memory, device and seed in one line."""
    parts = []
    total = (summary.get("seconds") or {}).get("total")
    if total is not None:
        parts.append(f"{clock(total)} in all")
    if summary.get("peak_memory_bytes"):
        parts.append(f"peak memory {summary['peak_memory_bytes'] / 2**30:.1f} GiB")
    parts += [f"{key} {summary[key]}" for key in ("device", "seed") if summary.get(key) is not None]
    return ", ".join(parts)


def _understanding_table(understanding: Mapping[str, Any], seconds: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = []
    stages = understanding.get("stages") or {}
    shown = [("accuracy", "accuracy")]
    if any("macro_f1" in figures for figures in (understanding, *stages.values())):
        shown.append(("macro_f1", "macro-F1"))
    for stage in STAGES:
        if stage in stages:
            took = clock(seconds[stage]) if stage in seconds else ""
            rows.append(
                (
                    f"after {stage}",
                    *(interval(stages[stage], name) for name, _ in shown),
                    took,
                )
            )
    if not stages and "accuracy" in understanding:
        rows.append(("held out", *(interval(understanding, name) for name, _ in shown), ""))
    if understanding.get("bayes") is not None:
        rows.append(("Bayes optimum", share(understanding["bayes"]), *[""] * len(shown)))
    titles = ("understanding", *(title for _, title in shown), "time")
    return columns(titles, rows, numbers=(len(titles) - 1,))


def _further_table(understanding: Mapping[str, Any]) -> str:
    """Every other figure of understanding, a column for each stage; empty where there is none."""
    measured = {f"after {stage}": figures for stage, figures in (understanding.get("stages") or {}).items()}
    measured = measured or {"held out": understanding}
    names = dict.fromkeys(name for figures in measured.values() for name in further(figures))
    rows = [
        (name.replace("_", " "), *(around(figures, name) for figures in measured.values())) for name in names
    ]
    return columns(("figure", *measured), rows) if rows else ""


def _generation_table(generation: Mapping[str, Any]) -> str:
    rows = [
        ("Emo-A", interval(generation, "emo_a"), interval(generation, "emo_a_real")),
        ("diversity", number(generation.get("diversity")), number(generation.get("diversity_real"))),
    ]
    shown = ("emo_a", "diversity")
    more = [
        name for name in generation if not name.startswith(shown) and not name.endswith(("_low", "_high"))
    ]
    rows += [(name.replace("_", " "), number(generation[name]), "") for name in more]
    return columns(("generation", "generated", "real"), rows)


def _flatten(figures: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Numbers of a nested dictionary with dotted names; lists (a confusion matrix) are left to the report."""
    rows: list[tuple[str, Any]] = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            rows += _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
            rows.append((f"{prefix}{name}", value))
    return rows
