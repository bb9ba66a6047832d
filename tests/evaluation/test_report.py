from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from emosym.evaluation.report import write_report

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


def check(path: Path) -> Checker:
    checker = Checker()
    checker.feed(path.read_text(encoding="utf-8"))
    checker.close()
    assert checker.open == []
    return checker


def test_the_report_is_well_formed_and_needs_nothing_outside_itself(run: Path) -> None:
    page = check(write_report(run))
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not re.search(r"@import|url\((?!#)", (run / "report.html").read_text())


def test_the_report_shows_figures_beside_what_they_compare_with(run: Path) -> None:
    text = " ".join(check(write_report(run)).text)
    for expected in ("81.0 %", "optimum 86.7 %", "75.0 %", "real 85.0 %", "75.0 % of real", "after unify"):
        assert expected in text


def test_every_stage_has_curves_and_a_confusion_matrix(run: Path) -> None:
    page = write_report(run).read_text()
    assert page.count("<svg") == 3
    assert page.count('class="confusion"') == 3
    assert "reward/label/mean" in page


def test_equal_refusals_are_counted_together(run: Path) -> None:
    assert "2 × score … below …" in write_report(run).read_text()


def test_the_spec_is_shown_as_text_and_never_as_markup(run: Path) -> None:
    page = write_report(run).read_text()
    assert "&lt;b&gt;not a tag&lt;/b&gt;" in page
    assert "<b>not a tag</b>" not in page


@pytest.mark.parametrize("missing", ["metrics.jsonl", "summary.json", "sheets", "evaluation", "ledger.jsonl", "provenance.json"])
def test_a_report_is_written_of_whatever_is_there(run: Path, missing: str) -> None:
    path = run / missing
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    assert "How it was made" in " ".join(check(write_report(run)).text)


def test_the_same_run_gives_the_same_report(run: Path) -> None:
    assert write_report(run).read_bytes() == write_report(run).read_bytes()
