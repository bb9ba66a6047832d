from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from emosym.report.report import write_report

VOID = {"meta", "img", "link", "br", "path", "use", "rect", "line"}


class Checker(HTMLParser):
    """Keeps the tags that are open, and every address the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def check(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def page(finished: Path) -> str:
    return write_report(finished).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def parsed(page: str) -> Checker:
    return check(page)


def test_the_report_is_well_formed_and_needs_nothing_outside_itself(page: str, parsed: Checker) -> None:
    assert all(address.startswith(("data:", "#")) for address in parsed.addresses)
    assert not re.search(r"@import|url\((?!#)", page)


def test_the_report_shows_figures_beside_what_they_compare_with(parsed: Checker) -> None:
    text = " ".join(parsed.text)
    for expected in ("81.0 %", "Bayes optimum 86.7 %", "75.0 %", "real 85.0 %", "after unify"):
        assert expected in text


def test_every_stage_has_curves_and_a_confusion_matrix(page: str) -> None:
    assert page.count("<svg") == 3
    assert page.count('class="confusion"') == 3
    assert "reward/label/mean" in page


def test_equal_refusals_are_counted_together(page: str) -> None:
    assert "2 × score … below …" in page


def test_the_spec_is_shown_as_text_and_never_as_markup(page: str) -> None:
    assert "&lt;b&gt;not a tag&lt;/b&gt;" in page
    assert "<b>not a tag</b>" not in page


def test_the_same_run_gives_the_same_report(finished: Path, page: str) -> None:
    assert write_report(finished).read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    "missing", ["metrics.jsonl", "summary.json", "sheets", "evaluation", "ledger.jsonl", "provenance.json"]
)
def test_a_report_is_written_of_whatever_is_there(short_run: Path, missing: str) -> None:
    path = short_run / missing
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    assert "How it was made" in " ".join(check(write_report(path.parent).read_text(encoding="utf-8")).text)


def test_figures_of_anybodys_metrics_have_a_table(short_run: Path) -> None:
    path = short_run / "summary.json"
    summary = json.loads(path.read_text())
    summary["understanding"]["stages"]["unify"] |= {"ece": 0.0532, "ece_low": 0.04, "ece_high": 0.07}
    path.write_text(json.dumps(summary))
    page = write_report(short_run).read_text()
    assert '<td>ece</td><td class="n">–</td><td class="n">–</td><td class="n">0.0532 (0.04–0.07)</td>' in page


def test_the_last_tries_and_why_a_stage_ended_early_are_shown(short_run: Path) -> None:
    one = {"action": "awe", "probability": 0.25, "rewards": {"label": None, "text": 0.5}, "total": 0.5}
    lines = [
        {"step": step, "id": f"picture-{step}", "label": None, "tries": [{**one, "advantage": -0.125}]}
        for step in (1, 50)
    ]
    (short_run / "rollouts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    path = short_run / "summary.json"
    why = "the readings have collapsed"
    path.write_text(json.dumps({**json.loads(path.read_text()), "stopped": {"reinforce": why}}))
    page = write_report(short_run).read_text()
    check(page)
    assert "Some tries of step 50 of reinforce" in page
    cells = ("0.25", "–", "0.5", "0.5", "−0.125")
    row = "<tr><td>picture-50</td><td>–</td><td>awe</td>" + "".join(f'<td class="n">{c}</td>' for c in cells)
    assert row in page
    assert "picture-1<" not in page
    assert f"Ended before its last step: {why}." in page
