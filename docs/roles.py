"""A hook of MkDocs: the roles of docstrings (``:meth:`load```) show as code, like every other name."""

from __future__ import annotations

import re
from typing import Any

ROLE = re.compile(r":(?:meth|class|func|data|mod):(?=<code>)")


def on_page_content(html: str, **_: Any) -> str:
    """Leave out what a role says of the name behind it."""
    return ROLE.sub("", html)
