"""The table of keys in docs/reference/spec.md, made from the models: ``python -m emosym.spec.reference`` prints it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from emosym.spec.keys import REQUIRED, Key, keys_of
from emosym.spec.layers import stage_preset
from emosym.spec.model import STAGES, Component, Spec
from emosym.spec.text import inline


def keys_table() -> str:
    """A Markdown table with every key of a spec; defaults of stages are those of their preset ``emosym``."""
    rows = ["| key | what it is | may be | default |", "|---|---|---|---|", *_rows(Spec, "", {})]
    return "\n".join(rows)


def _rows(model: type[BaseModel], prefix: str, filled: dict[str, Any]) -> Iterator[str]:
    shared = set(Component.model_fields) if issubclass(model, Component) else set()
    for key in keys_of(model):
        if key.name in shared:
            continue  # said in the text: name and params are the same everywhere
        path = f"{prefix}{key.name}"
        below = [one for one in key.models if one is not Component]
        yield f"| `{path}` | {key.description} | {key.allowed} | {'' if below else _default(key, filled)} |"
        inner = (
            {stage: stage_preset("emosym", stage).plain() for stage in STAGES}
            if path == "stages"
            else filled.get(key.name)
        )
        for one in below:
            item = "N." if key.allowed.startswith("list") else ""
            yield from _rows(one, f"{path}.{item}", inner if isinstance(inner, dict) else {})


def _default(key: Key, filled: dict[str, Any]) -> str:
    value = filled.get(key.name, key.default)
    return "required" if value is REQUIRED else f"`{inline(value)}`"


if __name__ == "__main__":
    print(keys_table())
