"""YAML in and out: to a tree of nodes from the parser's events alone, which execute nothing, and back."""

from __future__ import annotations

import json
import math
import re
import stat
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from emosym.spec.errors import fail
from emosym.spec.nodes import Node, Origin, Scalar

LARGEST = 256_000
"""Bytes a spec may have."""
MOST = 4_000
"""Keys and values a spec may have: about eight times what a complete one has, and read within a second."""
DEEPEST = 64
"""Levels a spec may nest."""

_NULL = re.compile(r"^(~|null|Null|NULL|)$")
_BOOL = re.compile(r"^(true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_SPECIAL = {".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}
_TAGS = "tag:yaml.org,2002:"


def read_file(path: Path, origin: Origin) -> Node:
    """The mapping in a YAML file. ``origin`` gives the kind and the name of the file in messages.

    Errors (:class:`SpecErrors`): ``spec.missing-file``, ``spec.unreadable``, ``spec.too-large``,
    ``spec.not-utf8``, ``spec.not-a-mapping``, and those of :func:`read_text`.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            message = f"cannot be read: expected a file, found {what}"
            fail(origin, "spec.unreadable", message, "name a YAML file")
        if status.st_size > LARGEST:
            message = f"a spec may have {LARGEST:,} bytes, this file has {status.st_size:,}"
            fail(origin, "spec.too-large", message, "is it a spec at all?")
        data = path.read_bytes()
    except FileNotFoundError:
        fail(origin, "spec.missing-file", "no such file", "check the path")
    except OSError as error:
        fail(origin, "spec.unreadable", f"cannot be read: {error.strerror}", "check path and permissions")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _after(origin, data[: error.start].decode("latin-1"))
        fail(place, "spec.not-utf8", "expected UTF-8 text, found other bytes", "save the file as UTF-8")
    node = read_text(text, origin)
    if not isinstance(node.value, dict):
        message = f"expected keys and values, found {found(node.plain())}"
        fail(node.origin, "spec.not-a-mapping", message, 'start with "emosym: 1"')
    return node


def read_text(text: str, origin: Origin) -> Node:
    """Any YAML value; its places are ``origin``'s file with the line and column of the text (or ``origin``
    itself when that has no lines, as ``--set`` has).

    Errors (:class:`SpecErrors`): ``spec.syntax``, ``spec.tabs``, ``spec.bad-character``, ``spec.bad-key``,
    ``spec.duplicate-key``, and for what YAML has and a spec has not ``spec.anchor``, ``spec.tag``,
    ``spec.too-deep``, ``spec.several-documents``.
    """
    builder = _Builder(origin, text.splitlines())
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        builder.syntax(line, column, (error.problem or error.context or str(error)).strip())
    except ReaderError as error:
        message = f"found the character {error.character!r}, which YAML does not allow"
        fail(_after(origin, text[: error.position]), "spec.bad-character", message, "remove it")
    except YAMLError as error:
        fail(origin, "spec.syntax", str(error).splitlines()[0])
    return builder.root or Node(None, _moved(origin, 1, 1))


def found(value: Any) -> str:
    """A value in the words of a message."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…" + ('"' if isinstance(value, str) else "")


def scalar(text: str) -> Scalar:
    """A plain scalar by the core schema of YAML 1.2 (so ``1e-4`` is a number and ``yes`` a word)."""
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    if _INT.match(text) and len(text) < 400:
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.match(text):
        return float(text)
    return _SPECIAL.get(text.lower(), text)


def _moved(origin: Origin, line: int, column: int) -> Origin:
    return origin if origin.kind == "set" else replace(origin, line=line, column=column)


def _after(origin: Origin, before: str) -> Origin:
    """The place behind the text ``before``."""
    return _moved(origin, before.count("\n") + 1, len(before) - before.rfind("\n"))


@dataclass
class _Open:
    """A mapping or list whose end is still to come."""

    node: Node
    name: str | None = None
    name_origin: Origin | None = None


@dataclass
class _Builder:
    origin: Origin
    lines: list[str]
    root: Node | None = None
    stack: list[_Open] = field(default_factory=list)
    documents: int = 0
    count: int = 0

    def take(self, event: Any) -> None:
        place = self._at(event)
        if isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                message = "expected one document, found a second one"
                fail(place, "spec.several-documents", message, "remove the '---'")
        elif isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            message = f"anchors and aliases (&{event.anchor}) are not allowed"
            fail(place, "spec.anchor", message, "write the value out, or use extends")
        elif isinstance(event, ScalarEvent):
            self._check_tag(event, "str")
            self._add(Node(self._value(event), place), event)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            mapping = isinstance(event, MappingStartEvent)
            self._check_tag(event, "map" if mapping else "seq")
            if len(self.stack) >= DEEPEST:
                message = f"nested deeper than {DEEPEST} levels"
                fail(place, "spec.too-deep", message, "a spec needs no more than six")
            node = Node({} if mapping else [], place)
            self._add(node, event)
            self.stack.append(_Open(node))
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self.stack.pop()

    def _at(self, event: Any) -> Origin:
        return _moved(self.origin, event.start_mark.line + 1, event.start_mark.column + 1)

    def _check_tag(self, event: Any, allowed: str) -> None:
        tag = str(event.tag or "")
        if tag and tag not in ("!", f"{_TAGS}{allowed}"):
            message = f"tags ({tag.replace(_TAGS, '!!')}) are not allowed"
            hint = "a spec holds only plain values; nothing in it becomes code"
            fail(self._at(event), "spec.tag", message, hint)

    def _value(self, event: Any) -> Scalar:
        if event.style in ("'", '"', "|", ">") or str(event.tag or "") in ("!", f"{_TAGS}str"):
            return str(event.value)
        return scalar(event.value)

    def _add(self, node: Node, event: Any) -> None:
        self.count += 1
        if self.count > MOST:
            message = f"a spec may have {MOST:,} keys and values, this one has more"
            fail(node.origin, "spec.too-large", message, "is it a spec at all?")
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1]
        if isinstance(parent.node.value, list):
            parent.node.value.append(node)
            return
        if parent.name is None:
            self._take_key(parent, node, event)
            return
        # the same container, so it fills later
        parent.node.fields[parent.name] = Node(node.value, node.origin, parent.name_origin)
        parent.name = parent.name_origin = None

    def _take_key(self, parent: _Open, node: Node, event: Any) -> None:
        name = event.value if isinstance(event, ScalarEvent) else None
        if name is None or not isinstance(node.value, str):
            message = f"expected a word as key, found {found(node.plain())}"
            fail(node.origin, "spec.bad-key", message, "quote it")
        if name in parent.node.fields:
            message = f"key {name!r} is given twice, first at {parent.node.fields[name].where.place}"
            fail(node.origin, "spec.duplicate-key", message, "keep one of them", name)
        parent.name, parent.name_origin = name, node.origin

    def syntax(self, line: int, column: int, problem: str) -> NoReturn:
        text = self.lines[line] if line < len(self.lines) else ""
        indent = text[: len(text) - len(text.lstrip())]
        place = _moved(self.origin, line + 1, column + 1)
        if "\t" in indent or "'\\t'" in problem:
            fail(place, "spec.tabs", "found a tab where YAML allows only spaces", "indent with spaces")
        if self.origin.kind == "set":
            hint = "quote text that begins with { or [, or holds ': '"
            fail(place, "spec.syntax", f"not a YAML value: {problem}", hint)
        if "undefined alias" in problem:
            message = "anchors and aliases are not allowed"
            fail(place, "spec.anchor", message, "write the value out, or use extends")
        hint = "check indentation, quotes and colons here and on the line before"
        fail(place, "spec.syntax", f"not YAML: {problem}", hint)


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
