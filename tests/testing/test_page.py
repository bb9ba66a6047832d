"""The reference page says what the checks say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emosym.testing import SUITES
from emosym.testing.checks import OF_PLUGINS, PAGE, TIERS
from emosym.testing.page import page

ROOT = Path(__file__).parents[2]


def test_the_page_is_the_one_that_the_checks_make() -> None:
    written = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written == page(), f"python -m emosym.testing > {PAGE}"


def test_every_message_leads_to_its_place_on_the_page() -> None:
    pytest.importorskip("markdown")
    import markdown

    html = markdown.markdown(page(), extensions=["tables", "toc"])
    places = re.findall(r'id="([^"]+)"', html)
    assert len(set(places)) == len(places)
    for promises in (OF_PLUGINS, *(suite.checks() for suite in SUITES.values())):
        for promise in promises:
            file, _, place = promise.anchor.partition("#")
            assert file == PAGE
            assert place in places, promise.id


def test_every_check_says_what_why_and_for_whom() -> None:
    promises = {promise for suite in SUITES.values() for promise in suite.checks()}
    assert len({promise.id for promise in promises}) == len(promises)
    for promise in promises:
        assert promise.tier in TIERS
        assert promise.why.endswith("."), promise.id
        assert promise.expects, promise.id
        assert not promise.expects.endswith("."), promise.id


def test_a_kind_is_in_the_ids_of_its_own_checks() -> None:
    for kind, suite in SUITES.items():
        prefixes = {promise.id.partition(".")[0] for promise in suite.checks()}
        assert prefixes == {"component", kind.replace("_", "-")}
