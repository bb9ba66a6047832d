"""The tab of runs: some of them in one table, and the tables of studies that are there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from emosym_registry import EmosymError

from emosym.ablation.table import results_of
from emosym.ablation.unplanned import study_of
from emosym.report.study.pictures import forest
from emosym.report.study.tables import letter, study_tables
from emosym.report.study.write import NAME, lead
from emosym.toolkit import read_json
from emosym.web.markup import listed, note, table
from emosym.web.room import PRIVATE, Room

CHOOSE = "Choose a study. Where there is none yet, `emosym ablate` makes one."


def tab(room: Room, here: gr.Tab) -> None:
    """What the tab ``here`` shows; folders are looked through when somebody opens it."""
    with gr.Tab("Compare runs"):
        runs = gr.CheckboxGroup(
            list(found_runs(room.folders)), label="Runs", info="Two or more, of the same emotions"
        )
        start = gr.Button("Compare", variant="primary")
        compared = gr.HTML(note(to_do(room)), elem_id="runs-compared")
    with gr.Tab("Studies"):
        studies = gr.Dropdown(list(found_studies(room.folders)), value=None, label="Study")
        shown = gr.HTML(note(CHOOSE), elem_id="runs-study")

    def compare(runs: list[str]) -> str:
        return comparison(room, runs)

    def study(study: str | None) -> str:
        return tables_of(room, study)

    def again() -> tuple[Any, Any, str]:
        return (
            gr.update(choices=list(found_runs(room.folders))),
            gr.update(choices=list(found_studies(room.folders))),
            note(to_do(room)),
        )

    here.select(again, None, [runs, studies, compared], **PRIVATE)
    start.click(room.told(compare), runs, compared, api_name="compare")
    studies.input(room.told(study), studies, shown, api_name="study")


def to_do(room: Room) -> str:
    """What somebody has to do to see a comparison."""
    if len(found_runs(room.folders)) > 1:
        return "Choose runs, then press Compare."
    return (
        "There are not yet two runs to compare. Train another, such as `emosym run SPEC --set seed=8 --out runs/second` with the spec "
        "of the first, then open this tab again."
    )


def found_runs(folders: Sequence[Path]) -> dict[str, Path]:
    """Runs that have come to their end, by what the page calls them."""
    return dict(
        _found(folders, lambda path: (path / "summary.json").is_file() and (path / "spec.yaml").is_file())
    )


def found_studies(folders: Sequence[Path]) -> dict[str, Path]:
    """Folders with the tables of a study or a comparison, by what the page calls them."""
    return dict(_found(folders, lambda path: (path / f"{NAME}.json").is_file()))


def _found(folders: Sequence[Path], is_one: Callable[[Path], bool]) -> Iterator[tuple[str, Path]]:
    """Folders, and those in them, in order; two of one name are told apart by a number."""
    seen: dict[str, int] = {}
    for folder in folders:
        inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        for path in (folder, *inside):
            if not is_one(path):
                continue
            name = path.resolve().name
            seen[name] = seen.get(name, 0) + 1
            yield (name if seen[name] == 1 else f"{name} ({seen[name]})"), path


def comparison(room: Room, names: Sequence[str]) -> str:
    """The tables of ``emosym compare``, with what somebody should know before believing them. Errors: those of
    :func:`emosym.ablation.unplanned.study_of`, ``run.missing``."""
    there = found_runs(room.folders)
    study, warnings = study_of([_there(there, name, "run") for name in names])
    root = os.path.commonpath([entry.run.parent for entry in study.entries])
    results = results_of(replace(study, root=Path(root)))
    tables = [(one.title, one.caption, one.header, one.rows, one.notes) for one in study_tables(results)]
    drawn = forest(results)
    return "".join(
        [
            f"<h2>{escape(results.title)}</h2>",
            note(lead(results)),
            listed(warnings) if warnings else "",
            *(_table(*one) for one in tables),
            ""
            if drawn is None
            else f'<h2>Differences with their 95 % intervals</h2><div class="es-scroll">{drawn}</div>',
        ]
    )


def tables_of(room: Room, name: str | None) -> str:
    """The tables of a study as its report has them. Errors: ``study.not-a-study``."""
    if not name:
        return note(CHOOSE)
    path = _there(found_studies(room.folders), name, "study")
    try:
        data = read_json(path / f"{NAME}.json")
        tables = [
            (one["title"], one["caption"], one["header"], one["rows"], one["notes"]) for one in data["tables"]
        ]
        return f"<h2>{escape(str(data['title']))}</h2>" + "".join(_table(*one) for one in tables)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmosymError(
            "study.not-a-study",
            f"study {name}: its {NAME}.json cannot be read",
            hint="write it again: emosym ablate",
        ) from error


def _there(known: dict[str, Path], name: str, what: str) -> Path:
    if name not in known:
        raise EmosymError(
            f"{what}.missing", f"no {what} {name!r} is in the folders of this page", hint="open the tab again"
        )
    return known[name]


def _table(
    title: str, caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]
) -> str:
    marked = listed(f"[{letter(number)}] {text}" for number, text in enumerate(notes)) if notes else ""
    return f"<section class='es-study'><h3>{escape(title)}</h3><p class='es-soft'>{escape(caption)}</p>{table(title, header, rows)}{marked}</section>"
