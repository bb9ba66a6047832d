from __future__ import annotations

from pathlib import Path

from emosym.report.glossary import GLOSSARY, STUDIES, anchor, linked, markdown, words

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "glossary.md"


def test_the_page_is_that_of_the_words() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), (
        "docs/reference/glossary.md is behind; write it with: python -m emosym.report.glossary > docs/reference/glossary.md"
    )


def test_a_word_has_one_meaning() -> None:
    everything = [word.lower() for section in GLOSSARY.values() for word in section]
    assert len(everything) == len(set(everything))


def test_each_page_has_the_words_that_it_needs() -> None:
    of_studies, of_runs = dict(words(studies=True)), dict(words(studies=False))
    assert set(of_studies) == set(GLOSSARY[STUDIES])
    assert len(of_studies) + len(of_runs) == sum(map(len, GLOSSARY.values()))


def test_a_word_leads_to_its_meaning_and_any_other_text_stays_as_it_is() -> None:
    assert linked("Token effect ↑") == '<a href="#word-token-effect">Token effect ↑</a>'
    assert linked("a < b") == "a &lt; b"
    assert linked("p (Holm)") == "p (Holm)"
    assert anchor("[CTX]") == "word-ctx"
