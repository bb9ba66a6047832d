"""The keys of a model as a reader meets them: what each means, what it may hold, what it holds by default.

``python -m emosym.spec.keys`` prints the table in docs/reference/spec.md.
"""

from __future__ import annotations

import pathlib
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from emosym.spec.layers import stage_preset
from emosym.spec.model import STAGES, Component, Spec
from emosym.spec.nodes import Path
from emosym.spec.text import inline

_BOUNDS = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
_TYPES = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    pathlib.Path: "path",
    type(None): "null",
}


@dataclass(frozen=True)
class Key:
    """One key: ``allowed`` says in words what it may hold, ``limits`` only what its type does not say already
    (choices and bounds, perhaps nothing); ``default`` is :data:`REQUIRED` where it must be given."""

    name: str
    description: str
    allowed: str
    limits: str
    default: Any
    models: tuple[type[BaseModel], ...]


REQUIRED = PydanticUndefined


def keys_of(model: type[BaseModel]) -> list[Key]:
    """Every key of a model, in its order."""
    return [_key(name, field) for name, field in model.model_fields.items()]


def known_keys(model: type[BaseModel], path: Path) -> list[str]:
    """Keys that the model allows at a path below it, sorted."""
    here: list[Any] = [model]
    for part in path:
        here = [below for one in here for member in _members(one) for below in _below(member, part)]
    models = [member for one in here for member in _members(one) if _is_model(member)]
    return sorted({name for member in models for name in member.model_fields})


def plain_words(text: str | None) -> str:
    """A docstring without its line breaks and the markup around names in it."""
    joined = " ".join((text or "").split())
    return re.sub(r":\w+:`([^`]*)`", r"\1", joined).replace("``", "`")


def _key(name: str, field: FieldInfo) -> Key:
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, BaseModel):
        default = default.model_dump(mode="json")
    models = tuple(_models(field.annotation))
    description = plain_words(field.description)
    return Key(name, description, _allowed(field), _allowed(field, types=False), default, models)


def _allowed(field: FieldInfo, types: bool = True) -> str:
    members = _members(field.annotation)
    words = [_word(member) for member in members if types or _has_choices(member)]
    bounds = [
        f"{said} {getattr(limit, name):.10g}"
        for limit in field.metadata
        for name, said in _BOUNDS
        if isinstance(getattr(limit, name, None), int | float)
    ]
    kinds = " or ".join(word for word in dict.fromkeys(words) if word != "null")
    said = f"{kinds} {' and '.join(bounds)}".strip()
    return f"{said} or null" if said and type(None) in members else said


def _has_choices(annotation: Any) -> bool:
    is_literal = typing.get_origin(annotation) is typing.Literal
    return is_literal or any(_has_choices(argument) for argument in typing.get_args(annotation))


def _word(annotation: Any) -> str:
    if annotation in _TYPES:
        return _TYPES[annotation]
    if _is_model(annotation):
        return "component" if issubclass(annotation, Component) else "section"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        *others, last = (str(argument) for argument in arguments)
        return f"{', '.join(others)} or {last}" if others else last
    if origin in (list, tuple) and arguments:
        return f"list of {_word(arguments[0])}"
    return "mapping"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models that stand behind a key, also as items of its list or values of its mapping."""
    for member in _members(annotation):
        if _is_model(member):
            yield member
        else:
            for argument in typing.get_args(member):
                yield from _models(argument)


def _members(annotation: Any) -> list[Any]:
    """The annotation itself, or the branches of a union."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [member for item in typing.get_args(annotation) for member in _members(item)]
    return [annotation]


def _below(annotation: Any, part: str | int) -> list[Any]:
    """What stands behind a key or an index."""
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return [] if field is None else [field.annotation]
    arguments = [item for item in typing.get_args(annotation) if item is not Ellipsis]
    return arguments[-1:]


def _is_model(value: Any) -> bool:
    return (
        isinstance(value, type) and not isinstance(value, types.GenericAlias) and issubclass(value, BaseModel)
    )


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
