"""The report of a study: ``study.html``, ``.md``, ``.csv``, ``.json`` and ``.tex`` in one folder, with the same numbers."""

from __future__ import annotations

from pathlib import Path

from emosym.report.glossary import words
from emosym.report.study.latex import latex
from emosym.report.study.pictures import band_curves, contact_sheets, forest
from emosym.report.study.results import Results
from emosym.report.study.tables import StudyTable, study_tables
from emosym.report.study.text import AGAIN, comma_separated, machine_readable, markdown
from emosym.report.study.words import BETWEEN, count
from emosym.report.templates import template
from emosym.toolkit import make_folder, write_json, written_whole

NAME = "study"


def write_study(results: Results, folder: Path) -> list[Path]:
    """Write the report into ``folder``, each file whole or not at all; returns the files."""
    make_folder(folder)
    tables = list(study_tables(results))
    texts = {
        "html": html(results, tables),
        "md": markdown(results, lead(results), tables, measures(results), words(studies=True)),
        "csv": comma_separated(results),
        "tex": latex(results.title, tables),
    }
    paths = []
    for ending, text in texts.items():
        paths.append(folder / f"{NAME}.{ending}")
        with written_whole(paths[-1]) as partial:
            partial.write_text(text, encoding="utf-8", errors="replace")
    paths.append(folder / f"{NAME}.json")
    write_json(paths[-1], machine_readable(results, tables))
    return paths


def html(results: Results, tables: list[StudyTable]) -> str:
    """One page with everything inside it."""
    from markupsafe import Markup

    drawn = forest(results)
    return template(Path(__file__).with_name("study.html.jinja")).render(
        results=results,
        tables=tables,
        lead=lead(results),
        forest=None if drawn is None else Markup(drawn),  # noqa: S704 - a drawing of ours
        curves=[(stage, Markup(svg)) for stage, svg in band_curves(results)],  # noqa: S704 - curves of ours
        sheets=contact_sheets(results),
        glossary=words(studies=True),
        measures=measures(results),
        again=AGAIN,
        between=BETWEEN,
    )


def measures(results: Results) -> list[tuple[str, str]]:
    """What each figure is, where its metric says it."""
    names = [name for name in (*results.main, *results.others) if results.style.about(name).about]
    return [(results.style.title(name), results.style.about(name).about) for name in names]


def lead(results: Results) -> str:
    """How much there is, in one line."""
    runs = [run for row in results.rows for run in row.runs]
    parts = [count(len(results.rows), "row"), count(len(runs), "run")]
    parts += [f"measured on the {results.split} split"] if results.split else []
    smoke = sum(run.smoke for run in runs)
    if smoke:
        parts.append(
            f"{'all' if smoke == len(runs) else smoke} of them smoke runs, whose figures mean nothing"
        )
    return BETWEEN.join(parts)
