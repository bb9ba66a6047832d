"""The report of a study: ``study.html``, ``.md``, ``.csv``, ``.json`` and ``.tex`` in one folder, with the same numbers."""

from __future__ import annotations

from pathlib import Path

from emosym.report.study.latex import latex
from emosym.report.study.pictures import band_curves, contact_sheets, forest
from emosym.report.study.results import Results
from emosym.report.study.tables import StudyTable, study_tables
from emosym.report.study.text import AGAIN, comma_separated, machine_readable, markdown
from emosym.report.study.words import BETWEEN, count
from emosym.toolkit import make_folder, write_json, written_whole

NAME = "study"
GLOSSARY = (
    (
        "row",
        "One variant of the system with each seed; rows that differ in their evaluation alone share their weights.",
    ),
    (
        "95 % interval",
        "Where the true mean is, in 95 of 100 such studies. Seeds and images both count as drawn: the variance is that of two "
        "crossed random effects, and the t quantile's degrees of freedom are the harmonic mean of both parts', weighted by "
        "their shares. A share of right answers has Wilson's interval, of as many independent images as would vary like that.",
    ),
    (
        "over seeds alone",
        "The figure is one number a run (macro-F1, diversity), so only its spread over seeds is known: Student's t.",
    ),
    (
        "over images alone",
        "With fewer than three seeds nobody knows how much another seed would change: such an interval says how other images "
        "would, and is too narrow for a claim about the method.",
    ),
    (
        "difference",
        "The second row minus the first, taken image by image and seed by seed before anything is averaged. Shares differ by "
        "points: from 80 % to 81 % is +1 point.",
    ),
    (
        "effect",
        "The difference in standard deviations of the value of a single image with one seed: 0.2 is small, 0.8 large. A figure "
        "that is one number a run has none.",
    ),
    (
        "p (Holm)",
        "How often a study of rows that do not differ would show at least this much, corrected by Holm's method over every test "
        "of the table: below 0.05, at most one study in twenty names any difference that is not there.",
    ),
    (
        "equivalent",
        "Two one-sided tests at 5 %, corrected over all margins, say that the difference is within the margin that the study gave "
        "beforehand, which is to say that its 90 % interval is. No difference shown is not the same as equivalent.",
    ),
    (
        "on its own, not after correction",
        "Alone, p is below 0.05 and the interval excludes no difference; among so many tests one such is expected by chance. "
        "Name fewer comparisons beforehand, or add seeds.",
    ),
    (
        "smallest visible",
        "The true difference that four of five studies with this many seeds and images would show, at 5 % and without "
        "correction. What is smaller may well be there.",
    ),
)


def write_study(results: Results, folder: Path) -> list[Path]:
    """Write the report into ``folder``, each file whole or not at all; returns the files."""
    make_folder(folder)
    tables = list(study_tables(results))
    texts = {
        "html": html(results, tables),
        "md": markdown(results, lead(results), tables, measures(results), GLOSSARY),
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
    import jinja2
    from markupsafe import Markup

    here = Path(__file__).parent
    loader = jinja2.FileSystemLoader([here, here.parent])
    environment = jinja2.Environment(loader=loader, autoescape=True)
    drawn = forest(results)
    return environment.get_template("study.html.jinja").render(
        results=results,
        tables=tables,
        lead=lead(results),
        forest=None if drawn is None else Markup(drawn),  # noqa: S704 - a drawing of ours
        curves=[(stage, Markup(svg)) for stage, svg in band_curves(results)],  # noqa: S704 - curves of ours
        sheets=contact_sheets(results),
        glossary=GLOSSARY,
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
