"""Values as YAML: a whole document, or one value in a line."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML


def block(data: Any) -> str:
    """A document, one key a line."""
    return _dump(data, flow=False)


def inline(value: Any) -> str:
    """A value in one line, as it can stand behind a key or behind ``--set key=``."""
    if isinstance(value, dict | list):
        return _dump(value, flow=True).strip()
    return _dump([value], flow=True).strip()[1:-1]


def _dump(data: Any, flow: bool) -> str:
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = flow
    yaml.sort_base_mapping_type_on_output = False
    yaml.allow_unicode = True
    yaml.width = 10_000
    stream = StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()
