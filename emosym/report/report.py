"""``report.html``: a run or an evaluation on one page, with everything inside the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from emosym_registry import EmosymError

from emosym.contracts.reading import EMBEDDED
from emosym.report.bank import bank_history
from emosym.report.files import read_json, read_seen
from emosym.report.glossary import words
from emosym.report.numbers import Style, duration
from emosym.report.painting import sheets, space, verdicts
from emosym.report.reading import (
    TOKENS,
    by_emotion,
    confusions,
    errors,
    figure_tables,
    judged,
    reliability_of,
)
from emosym.report.tables import Table, measured_when, tables
from emosym.report.templates import HERE, template
from emosym.report.training import last_tries, reachability, reward_terms, stages
from emosym.spec.model import STAGES
from emosym.toolkit import written_whole

NAME = "report.html"


class Tile(NamedTuple):
    """A figure at the top."""

    title: str
    value: str
    counted: str
    """Of how many pictures it is the share of how many; empty where it is none, or nobody counted."""
    interval: str
    """Its 95 % interval; empty where it has none."""
    beside: str
    """What to compare it with; empty where there is nothing."""


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the page of a run or of an evaluation from what lies in its folder, whole or not at all, to ``out`` or else to
    ``report.html`` in it. Parts that are missing are left out.

    Errors: ``report.nothing`` where the folder holds neither, ``report.damaged`` and ``predictions.unreadable`` where a
    file cannot be read.
    """
    folder = Path(folder)
    if not any((folder / name).exists() for name in ("spec.yaml", "summary.json", "metrics.jsonl")):
        what = "neither a run nor an evaluation is in it" if folder.is_dir() else "no such folder"
        hint = "give a run folder, such as runs/tiny, or one below its evaluations/"
        raise EmosymError("report.nothing", f"{folder}: {what}", hint=hint)
    page = template(HERE / "report.html.jinja").render(**facts(folder))
    path = folder / NAME if out is None else out
    with written_whole(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def facts(folder: Path) -> dict[str, Any]:
    """What the page shows."""
    summary = read_json(folder / "summary.json") or {}
    final = read_json(folder / "evaluation" / "final.json") or {}
    seen = read_seen(folder / "evaluation" / "final-readings.parquet")
    made = read_seen(folder / "evaluation" / "final-generated.parquet")
    provenance = read_json(folder / "provenance.json") or {}
    spec = folder / "spec.yaml"
    read, painted = confusions(folder, final), judged(made)
    walls = verdicts(folder, made)
    names = read[0].names if read else made.names if made else ()
    bank = bank_history(folder, names)
    shown = [name for name, used in (("generated", not walls), ("real", True)) if used]
    return {
        "name": summary.get("name", folder.name),
        "lead": lead(folder, summary, final, provenance),
        "notes": notes(folder, summary),
        "tiles": tiles(summary, final.get("pictures") or {}),
        "after_stages": next(
            (table for table in tables(summary) if table.header[0] == "understanding"), None
        ),
        "tokens": token_figures(summary),
        "reading": other_figures(summary),
        "painting": painted_figures(summary),
        "confusions": read,
        "painted": painted,
        "by_emotion": by_emotion(read[0] if read else None, painted),
        "reliability": reliability_of(seen),
        "errors": errors(folder),
        "walls": walls,
        "sheets": sheets(folder, shown),
        "space": space(folder),
        "stages": stages(folder, summary.get("stopped") or {}),
        "rewards": reward_terms(folder, Style.of(summary)),
        "tries": last_tries(folder),
        "reachability": reachability(folder),
        "bank": bank,
        "bank_sheet": [] if bank and bank.pictures else sheets(folder, ["bank"]),
        "spec": spec.read_text(encoding="utf-8") if spec.exists() else "",
        "versions": versions(provenance),
        "provenance": provenance,
        "summary": summary,
        "words": words(studies=False),
    }


def lead(
    folder: Path, summary: Mapping[str, Any], final: Mapping[str, Any], provenance: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """What was measured, when and where, as pairs of a word and what it is."""
    again = summary.get("evaluation") or {}
    seconds = summary.get("seconds") or {}
    peak = summary.get("peak_memory_bytes")
    images = (final.get("understanding") or {}).get("images")
    data = f" of {summary['data']}" if summary.get("data") else ""
    split = f"{images:,} pictures of the split {final.get('split', '?')}{data}" if images else ""
    pairs = {
        "run": again.get("run", ""),
        "begun": _moment(provenance.get("started", "")),
        "measured": _moment(again.get("made", "")),
        "on": split,
        "changed by": ", ".join(again.get("sets", ())),
        "device": " ".join(str(summary[key]) for key in ("device", "precision") if summary.get(key)),
        "seed": str(summary.get("seed", "")),
        "took": duration(seconds["total"]) if "total" in seconds else "",
        "peak memory": f"{peak / 2**30:.1f} GiB" if peak else "",
    }
    return [(word, said) for word, said in pairs.items() if said]


def _moment(stamp: str) -> str:
    """``2026-01-31T09:30:00+0000`` as ``2026-01-31 09:30 +0000``."""
    day, _, rest = stamp.partition("T")
    return f"{day} {rest[:5]} {rest[8:]}" if rest else stamp


def notes(folder: Path, summary: Mapping[str, Any]) -> list[str]:
    """What has to be known before any figure is believed."""
    found = []
    if summary.get("smoke"):
        found.append("This is a smoke run of two steps a stage: its figures mean nothing.")
    if summary.get("embedded"):
        found.append(
            f"{EMBEDDED} The pictures of the embedded world are drawn by a program; none is a photograph."
        )
    if not summary:
        done = read_json(folder / "checkpoints" / "progress.json") or {}
        reached = [stage for stage in STAGES if stage in done]
        after = f"It has finished {' and '.join(reached)}" if reached else "No stage is finished"
        found.append(f"This run has not come to its end. {after}; the page shows what there is so far.")
    return found


def tiles(summary: Mapping[str, Any], pictures: Mapping[str, int]) -> list[Tile]:
    """The headline figures, each with its interval and what it is compared with; ``pictures`` are how many were painted for
    Emo-A, and how many real ones stood beside them."""
    style, shown = Style.of(summary), []
    counted = {"emo_a": pictures.get("painted"), "emo_a_real": pictures.get("real")}

    def count(figures: Mapping[str, Any], name: str) -> str:
        many = counted.get(name)
        return f"{round(figures[name] * many):,} of {many:,}" if many else ""

    for group in ("understanding", "generation"):
        figures = summary.get(group) or {}
        for name in style.headlines(figures):
            beside = style.beside(name)
            compared = ""
            if beside in figures:
                of = count(figures, beside)
                compared = f"{style.title(beside)} {style.value(figures, beside)}{of and f' ({of})'}"
            value, interval = style.value(figures, name), style.interval(figures, name)
            shown.append(Tile(style.title(name), value, count(figures, name), interval, compared))
    return shown


def token_figures(summary: Mapping[str, Any]) -> list[Table]:
    """What is lost without the reasoning tokens, where it was measured."""
    style, columns = Style.of(summary), measured_when(summary)
    there = [name for name in style.declared if any(name in figures for figures in columns.values())]
    names = [name for name in there if name.startswith(TOKENS)]
    return figure_tables(style, columns, names)


def other_figures(summary: Mapping[str, Any]) -> list[Table]:
    """The figures of reading that are neither headlines nor of the tokens."""
    style, columns = Style.of(summary), measured_when(summary)
    names = [name for name in style.others(list(columns.values())) if not name.startswith(TOKENS)]
    return figure_tables(style, columns, names)


def painted_figures(summary: Mapping[str, Any]) -> list[Table]:
    """The figures of painted pictures beside those of real ones."""
    style, figures = Style.of(summary), summary.get("generation") or {}
    names = [*style.headlines(figures), *style.others([figures])]
    real = {
        f"{name}{end}": figures[f"{style.beside(name)}{end}"]
        for name in names
        for end in ("", "_low", "_high")
        if style.beside(name) and f"{style.beside(name)}{end}" in figures
    }
    besides = {style.beside(name) for name in names}
    shown = [name for name in names if name not in besides]
    return figure_tables(style, {"painted": figures, "real pictures": real}, shown)


def versions(provenance: Mapping[str, Any]) -> Table | None:
    """Packages, plugins and the machine of the run."""
    machine = {key: value for key, value in (provenance.get("machine") or {}).items() if value}
    machine = {"operating system" if key == "system" else key: value for key, value in machine.items()}
    parts = {**(provenance.get("versions") or {}), **(provenance.get("plugins") or {}), **machine}
    rows = [(name, str(value).removeprefix(f"{name} ")) for name, value in parts.items() if value is not None]
    return Table(("what", "version"), rows) if rows else None
