"""Pydantic's errors in the words of a spec: what was expected, what was found, what was perhaps meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from emosym_registry import did_you_mean
from pydantic import BaseModel

from emosym.spec.errors import Problem
from emosym.spec.keys import known_keys
from emosym.spec.model import NAME_PATTERN, NAME_WORDS
from emosym.spec.nodes import Node, Origin, Path, dotted
from emosym.spec.reader import found
from emosym.spec.text import inline

_PLAIN = {
    "a valid dictionary": "a mapping",
    "a valid string": "text",
    "a valid list": "a list",
    "a valid tuple": "a list",
    "a valid boolean": "true or false",
}
_PATTERNS = {NAME_PATTERN: NAME_WORDS}


def problems_of(
    errors: Iterable[Mapping[str, Any]], model: type[BaseModel], root: Node, prefix: Path = ()
) -> list[tuple[Path, Problem]]:
    """Each of pydantic's errors with the path of the value at fault. ``root`` is what was validated, ``prefix`` its path in
    the spec.

    The branches of a union complain one by one; their complaints about one value are joined.
    """
    joined: dict[Path, tuple[Origin, list[str], str]] = {}
    for one in errors:
        local = _local(one["loc"], root, one["type"])
        exact = root.at(local)
        node = exact or root.at(local[:-1]) or root
        message, hint = _words(one, local, node, model)
        about_key = one["type"] == "extra_forbidden" or one["loc"][-1:] == ("[key]",)
        if one["loc"][-1:] == ("[key]",):
            message = message.rpartition(", found ")[0] + f", found {found(local[-1])}"
        origin, messages, first = joined.get(local, (_place(node, exact, about_key), [], ""))
        joined[local] = (origin, messages if message in messages else [*messages, message], first or hint)
    return [
        ((*prefix, *local), Problem.at(origin, dotted((*prefix, *local)), _join(messages), hint))
        for local, (origin, messages, hint) in joined.items()
    ]


def _place(node: Node, exact: Node | None, about_key: bool) -> Origin:
    """Keys for what is unknown, missing or a whole section, values for what does not fit."""
    if exact is None or about_key or isinstance(exact.value, dict | list):
        return (exact or node).where
    return exact.origin


def _local(loc: tuple[int | str, ...], root: Node, type_: str) -> Path:
    """The error's location without the parts that name branches of a union or the key of a mapping."""
    node, path = root, []
    for position, part in enumerate(loc):
        child = node.child(part)
        if child is not None:
            node = child
            path.append(part)
        elif type_ == "missing" and position == len(loc) - 1:
            path.append(part)
    return tuple(path)


def _words(one: Mapping[str, Any], local: Path, node: Node, model: type[BaseModel]) -> tuple[str, str]:
    type_, message, context = one["type"], str(one["msg"]), one.get("ctx", {})
    if type_ == "extra_forbidden":
        known = known_keys(model, local[:-1])
        key = str(local[-1]) if local else ""
        return f"unknown key {key!r}", did_you_mean(key, known) or (
            _list("keys here", known) if known else "nothing can be set here"
        )
    if type_ == "missing":
        return "expected a value, found nothing", ""
    value = node.plain()
    if type_ in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        return f"expected {context.get('expected')}, found {found(value)}", did_you_mean(str(value), choices)
    if type_ == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        return f"expected {_PATTERNS.get(pattern, f'text like {pattern}')}, found {found(value)}", ""
    if type_ == "value_error":
        return message.removeprefix("Value error, "), ""
    wanted = re.sub(r"^Input should be ", "", message)
    wanted = re.sub(r", unable to .*$", "", wanted)
    if wanted == message:
        return f"{message[0].lower()}{message[1:]}, found {found(value)}", ""
    hint = ""
    if type_ == "string_type" and isinstance(value, int | float):
        hint = "put it in quotes"
    if type_ == "list_type" and isinstance(value, str) and value:
        hint = f"write {inline([value])}"
    wanted = _PLAIN.get(wanted, wanted)
    if wanted.startswith("a valid dictionary or"):
        wanted = "a mapping"
    return f"expected {wanted}, found {found(value)}", hint


def _join(messages: list[str]) -> str:
    """``expected a, found x`` and ``expected b, found x`` become ``expected a or b, found x``."""
    parts = [re.match(r"expected (.*), (found .*)$", message) for message in messages]
    if len(messages) > 1 and all(parts):
        matches = [part for part in parts if part is not None]
        return f"expected {' or '.join(part[1] for part in matches)}, {matches[0][2]}"
    return "; ".join(messages)


def _list(what: str, words: Iterable[str]) -> str:
    return f"{what}: {', '.join(words)}"
