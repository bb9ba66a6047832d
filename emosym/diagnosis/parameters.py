"""The parameters of a component, those of a section inside it with dotted names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from emosym.spec.keys import REQUIRED, Key, keys_of, plain_words

DEEPEST = 3
"""Levels of sections inside sections that are spelt out: one may hold itself."""


@dataclass(frozen=True)
class Parameter:
    """One parameter; ``default`` is written as in a spec, or ``required``, or empty for a section with rows of its own."""

    name: str
    type: str
    default: str
    meaning: str


def parameters(model: type[BaseModel], prefix: str = "") -> Iterator[Parameter]:
    """Every parameter of a config model, in its order."""
    for key in keys_of(model):
        meaning = (key.description or plain_words(_about(key))).replace("`", "")
        yield Parameter(f"{prefix}{key.name}", key.allowed or "anything", _default(key), meaning)
        if prefix.count(".") < DEEPEST:
            item = ".N" if key.allowed.startswith("list") else ""
            for section in key.models:
                yield from parameters(section, f"{prefix}{key.name}{item}.")


def _about(key: Key) -> str:
    """What a section says of itself, for a key that says nothing."""
    return (key.models[0].__doc__ or "") if len(key.models) == 1 else ""


def _default(key: Key) -> str:
    if key.default is REQUIRED:
        return "required"
    if isinstance(key.default, dict) and key.models:
        return ""
    return key.default if isinstance(key.default, str) and key.default else _json(key.default)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
