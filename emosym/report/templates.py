"""The templates of pages, and what all of them can say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from emosym.report.glossary import anchor, linked

if TYPE_CHECKING:
    import jinja2

HERE = Path(__file__).parent


def template(path: Path) -> jinja2.Template:
    """A template, which finds what lies beside it and the parts and the style of all pages; everything is escaped."""
    import jinja2

    loader = jinja2.FileSystemLoader([path.parent, HERE])
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"linked": linked, "anchor": anchor}
    return environment.get_template(path.name)
