"""A hook of MkDocs: documents that stand beside the code, not in docs/, are pages of the site too."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")
HOME = {"README.md": "index.md"}
"""Documents whose place on the site is taken by another page."""


def documents() -> Iterator[tuple[str, str]]:
    """Path in the repository and path on the site of every such document."""
    for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"):
        yield f"{name}.md", f"{name.lower()}.md"
    for readme in sorted(ROOT.glob("plugins/*/README.md")):
        yield f"plugins/{readme.parent.name}/README.md", f"reference/plugins/{readme.parent.name}.md"
    yield "plugins/emosym-tiny/MODEL_CARD.md", "reference/embedded-models.md"


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add them, with links that lead to where things are on the site."""
    places = dict(documents())
    for source, target in places.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=moved(text, source, target, places)))
    files.append(File.generated(config, "LICENSE", abs_src_path=str(ROOT / "LICENSE")))
    return files


def moved(text: str, source: str, target: str, places: dict[str, str]) -> str:
    """A document whose relative links are those of its place on the site."""

    def link(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        if (ROOT / path / "README.md").is_file():
            path += "/README.md"
        there = HOME.get(path) or places.get(path) or path.removeprefix("docs/")
        return posixpath.relpath(there, posixpath.dirname(target) or ".")

    return LINK.sub(link, text)
