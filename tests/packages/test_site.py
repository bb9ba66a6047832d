"""The site of the documentation: it is whole, asks no other machine for anything, and leaves nothing out."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from emosym_registry import KINDS, Registry

from .conftest import ROOT

DOCS = ROOT / "docs"
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""Elements that make a browser fetch something, and by which attribute."""
FETCHING = {"stylesheet", "preload", "prefetch", "preconnect", "icon", "shortcut icon", "modulepreload"}
"""Of links, those that fetch; others (canonical, next) only say something."""


def script(name: str) -> Any:
    """A script of docs/ as a module."""
    return SimpleNamespace(**runpy.run_path(str(DOCS / name)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages; anything that MkDocs warns of (a broken link, a missing page) fails."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    return folder


class Fetches(HTMLParser):
    """What a page makes a browser fetch from an address with a host."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get(FETCHED.get(tag, "")) or ""
        if tag == "link" and values.get("rel") not in FETCHING:
            return
        if re.match(r"(https?:)?//", address):
            self.foreign.append(address)


def test_no_page_and_no_style_asks_another_machine(site: Path) -> None:
    foreign: list[str] = []
    for page in site.rglob("*.html"):
        reader = Fetches()
        reader.feed(page.read_text(encoding="utf-8"))
        foreign += [f"{page.relative_to(site)}: {one}" for one in reader.foreign]
        assert 'class="mermaid"' not in page.read_text(encoding="utf-8")  # the theme would fetch its program
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        foreign += re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^\s\"')]+", text)
    assert foreign == []


def test_each_kind_of_contract_and_each_document_is_found_from_the_pages(site: Path) -> None:
    contracts = (site / "reference" / "contracts.html").read_text(encoding="utf-8")
    listed = contracts[contracts.index("md-sidebar--secondary") :]
    for kind in KINDS:
        assert re.search(rf'href="#{kind}[^"]*"[^>]*>\s*<span[^>]*>\s*(?:<code>)?{kind}', listed), kind
    for _, page in script("outside.py").documents():
        assert (site / page).with_suffix(".html").is_file(), page
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    assert "Mikels" in index


def test_no_page_is_left_out_of_the_navigation() -> None:
    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    assert config["theme"]["font"] == "false"
    named = set(leaves(config["nav"]))
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    made = {page for _, page in script("outside.py").documents()}
    assert written | made == named | {path for path in written if path.startswith("examples/")}


def leaves(nav: Any) -> Iterator[str]:
    """The pages of a navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for one in nav if isinstance(nav, list) else nav.values():
            yield from leaves(one)


def test_every_metric_has_its_line_and_no_other_has(registry: Registry) -> None:
    text = (DOCS / "reference" / "metrics.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE))
    offered = {one.spec.name for one in registry.components("metric") if one.plugin.id.startswith("emosym-")}
    assert rows == offered


def test_the_table_of_presets_is_the_one_that_the_presets_make(registry: Registry) -> None:
    presets = script("presets.py")
    assert presets.TABLE.search(presets.FILE.read_text(encoding="utf-8"))[0] == presets.table(registry), (
        "python docs/presets.py"
    )


def test_the_figures_of_the_method_are_the_ones_that_the_script_draws() -> None:
    figures = script("figures.py")
    for name, figure in figures.FIGURES.items():
        assert (figures.FOLDER / f"{name}.svg").read_text(encoding="utf-8") == figure.svg(), (
            "python docs/figures.py"
        )


def test_screenshots_are_small_and_shown_somewhere() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (*DOCS.rglob("*.md"), ROOT / "README.md"))
    for picture in (DOCS / "assets").glob("*.webp"):
        assert picture.stat().st_size <= 150_000, picture.name
        assert f"assets/{picture.name}" in pages, picture.name


def test_whoever_cites_finds_what_the_format_asks_for() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert {"title", "message", "authors", "version", "license", "references"} <= set(cited)
    (paper,) = cited["references"]
    assert {"type", "title", "authors"} <= set(paper)
    version = re.search(
        r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert version is not None
    assert cited["version"] == version[1]
    assert f"## [{version[1]}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
