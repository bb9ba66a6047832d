"""``evidence.md`` and ``evidence.json``: what a study was to show, what came out, and from which runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emosym.report.study.results import Claim, Results, Tested
from emosym.report.study.tables import claims, figures, overrides
from emosym.report.study.text import escaped, table
from emosym.report.study.words import asked_text, p_text, tested_text
from emosym.toolkit import write_json, written_whole

AFTERWARDS = "Analyses, and what they call exploratory, were written afterwards."


def write_evidence(results: Results, stem: Path) -> list[Path]:
    """Write ``STEM.md`` and ``STEM.json``, each whole or not at all; returns the files."""
    page, data = stem.with_suffix(".md"), stem.with_suffix(".json")
    with written_whole(page) as partial:
        partial.write_text(markdown(results), encoding="utf-8")
    write_json(data, machine_readable(results))
    return [page, data]


def markdown(results: Results) -> str:
    """The claims as one page: a table of all, then each with its tests and, where it is not supported, its analysis."""
    supported = sum(claim.supported for claim in results.claims)
    parts = [
        f"# {escaped(results.title)}",
        f"{supported} of {len(results.claims)} claims are supported.",
        *(escaped(note) for note in results.notes),
        escaped(claims(results).caption),
        table(claims(results)),
        AFTERWARDS,
        *(_section(results, claim) for claim in results.claims),
    ]
    for heading, shown in (
        ("What the rows measured", figures(results)),
        ("What the rows are", overrides(results)),
    ):
        parts += [f"## {heading}", escaped(shown.caption), table(shown)]
    if results.commands:
        parts += ["## How to make it again", f"```console\n{results.commands[0]}\n```"]
    parts += [f"{what}:\n\n```\n{text.rstrip()}\n```" for what, text in results.recipe[:1]]
    return "\n\n".join(parts) + "\n"


def _section(results: Results, claim: Claim) -> str:
    verdict = "supported" if claim.supported else "not supported"
    parts = [f"## {claim.name}: {verdict}", escaped(claim.says)]
    parts += [escaped(claim.about)] if claim.about else []
    parts.append("\n".join(_line(results, test) for test in claim.tests))
    if not claim.supported:
        parts.append(f"**Analysis.** {escaped(claim.analysis or 'None is written yet.')}")
    return "\n\n".join(parts)


def _line(results: Results, test: Tested) -> str:
    about = results.style.about(test.figure)
    against = f" against {test.base}" if test.base else ""
    text = (
        f"{test.row}{against}, {about.title}: {tested_text(about, test)}; asked {asked_text(about, test)}, "
        f"p {p_text(test.corrected)} after correction{'' if test.holds else ', which does not hold'}"
    )
    return f"- {escaped(text)}"


def machine_readable(results: Results) -> list[dict[str, Any]]:
    """A row a test; ``mean_difference`` is positive where the variant is better."""
    runs = {row.name: row.runs for row in results.rows}
    return [
        {
            "claim": claim.name,
            "says": claim.says,
            "base": test.base or None,
            "variant": test.row,
            "metric": test.figure,
            "asked": {test.asked: test.bound},
            "seeds": test.estimate.seeds if test.estimate else 0,
            "images": test.estimate.images if test.estimate else 0,
            "mean_difference": test.estimate.value if test.estimate else None,
            "ci95": [test.estimate.low, test.estimate.high] if test.estimate else None,
            "p": test.p,
            "p_holm": test.corrected,
            "holds": test.holds,
            "supported": claim.supported,
            "analysis": "" if claim.supported else claim.analysis,
            "runs": [
                {"row": name, "seed": run.seed, "id": run.id, "sha256": run.sha256, "data": run.data}
                for name in (test.base, test.row)
                for run in runs.get(name, ())
            ],
        }
        for claim in results.claims
        for test in claim.tests
    ]
