"""A new spec to begin with: a short one that extends a preset, or one with everything written out."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emosym_registry import EmosymError, Registry
from pydantic import BaseModel

from emosym.spec.keys import Key, keys_of
from emosym.spec.layers import PRESET
from emosym.spec.model import COMPONENT_KEYS, COMPONENT_LISTS, NAME_PATTERN, NAME_WORDS, Spec
from emosym.spec.nodes import Path, dotted, kind_at
from emosym.spec.own import Change, Own, changes
from emosym.spec.resolved import Resolved, load_spec
from emosym.spec.text import inline

WIDTH = 110
_NARROW = 60
"""Longer lines have their alternatives below them."""
_STAGE_KEYS = ("preset", "epochs", "steps", "batch_size")


def new_spec(
    preset: str,
    name: str,
    registry: Registry,
    *,
    file: str = "",
    full: bool = False,
    schema: str = "",
    own: Own | None = None,
) -> str:
    """The text of a spec called ``name``, for the data of somebody's ``own`` where they are given.

    It extends ``preset``, or with ``full`` has all of the preset's values written out, each with what it
    means. ``file`` is what the commands in its first lines call it; ``schema``, a path or an address, is what
    an editor looks it up in.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise EmosymError(
            "spec.bad-name", f"{name!r} cannot be a spec's name", hint=f"{NAME_WORDS}; give one with --name"
        )
    sets = [f"name={inline(name)}"]
    resolved = load_spec(f"{PRESET}{preset}", registry=registry, sets=sets)
    changed = changes(resolved, registry, own) if own is not None else []
    if changed:
        sets += [f"{one.key}={inline(one.value)}" for one in changed]
        resolved = load_spec(f"{PRESET}{preset}", registry=registry, sets=sets)
    first = f"# yaml-language-server: $schema={schema}\n" if schema else ""
    body = _Full(resolved, registry).text() if full else _short(preset, resolved, registry, changed)
    return first + _head(preset, name, file or f"{name}.yaml", full) + body


def installed(registry: Registry, kind: str) -> list[str]:
    """The names by which a spec can name the components of a kind, sorted."""
    offers = registry.components(kind)
    bare = [offer.spec.name for offer in offers]
    return [offer.spec.name if bare.count(offer.spec.name) == 1 else offer.qualified for offer in offers]


def _shortest(registry: Registry, kind: str, name: str) -> str:
    """A component's name as short as a spec may write it here."""
    offer = registry.find(kind, name)
    return offer.spec.name if offer.spec.name in installed(registry, kind) else offer.qualified


def _head(preset: str, name: str, file: str, full: bool) -> str:
    what = (
        f"everything of preset:{preset} written out; nothing is inherited"
        if full
        else f"starts from preset:{preset}; what is written here replaces what the preset has"
    )
    verbs = (("check", "is it sound?"), ("explain", "where does every value come from?"))
    commands = [(f"emosym spec {verb} {file}", why) for verb, why in verbs]
    commands.append((f"emosym run {file}", f"train, evaluate and report, into runs/{name}"))
    wide = max(len(command) for command, _ in commands)
    lines = [f"# {name}: {what}", *(f"#   {command:{wide}}  {why}" for command, why in commands)]
    return "\n".join(lines) + "\n"


def _short(preset: str, resolved: Resolved, registry: Registry, changed: Sequence[Change]) -> str:
    data = resolved.data()
    written = {
        "emosym": data["emosym"],
        "extends": f"{PRESET}{preset}",
        "name": data["name"],
        "seed": data["seed"],
    }
    lines = [f"{key}: {inline(value)}" for key, value in written.items()]
    for one in changed:
        lines += ["", f"# {one.why}"] if one.why else []
        lines.append(f"{one.key}: {inline(one.value)}")
    lines += [
        "",
        f"# Shown is what preset:{preset} has, and what else is installed. Take out a # to change a line.",
        "# Mappings merge into what they replace, lists take its place, null removes.",
        f"# Every key with its meaning: emosym spec new --preset {preset} --full",
    ]
    said = {one.key for one in changed}
    offered = [
        (f"# {line}", others)
        for line, others in _sections(data, registry)
        if line.partition(":")[0] not in said
    ]
    wide = max(len(line) for line, others in offered if others and len(line) <= _NARROW)
    for line, others in offered:
        fits = len(line) <= _NARROW or not others
        lines += (
            [f"{line:{wide}}  # or {others}".rstrip() if others else line]
            if fits
            else [line, f"#   # or {others}"]
        )
    return "\n".join(lines) + "\n"


def _sections(data: Mapping[str, Any], registry: Registry) -> Iterator[tuple[str, str]]:
    """A line that says again what the preset says, and the names that could stand there instead."""
    yield f"labels: {inline(data['labels'])}", "binary, or a list of names"
    for key, kind in COMPONENT_KEYS.items():
        current = _shortest(registry, kind, data[key]["name"]) if data[key] else None
        others = [name for name in installed(registry, kind) if name != current]
        yield f"{key}: {inline({'name': current} if current else None)}", ", ".join(others)
    for key, kind in COMPONENT_LISTS.items():
        items = [
            {part: item[part] for part in ("name", "weight") if part in item}
            | {"name": _shortest(registry, kind, item["name"])}
            for item in data[key]
        ]
        value = [item["name"] if set(item) == {"name"} else item for item in items]
        used = {item["name"] for item in items}
        yield f"{key}: {inline(value)}", ", ".join(n for n in installed(registry, kind) if n not in used)
    yield f"optim: {inline({'lr': data['optim']['lr']})}", ""
    yield "stages:", ""
    for stage, values in data["stages"].items():
        shown = {key: values[key] for key in _STAGE_KEYS if values[key] is not None} if values else None
        yield f"  {stage}: {inline(shown)}", ""
    yield f"evaluation: {inline({'per_class': data['evaluation']['per_class']})}", ""


class _Full:
    """Everything of a resolved spec, with a comment above every key."""

    def __init__(self, resolved: Resolved, registry: Registry) -> None:
        self.resolved, self.registry = resolved, registry
        self.said: set[tuple[str | int, str]] = set()

    def text(self) -> str:
        """The YAML."""
        return "\n".join(self._mapping(self.resolved.document(), Spec, (), 0)) + "\n"

    def _mapping(
        self, data: Mapping[str, Any], model: type[BaseModel] | None, path: Path, indent: int
    ) -> Iterator[str]:
        keys = {key.name: key for key in keys_of(model)} if model else {}
        for name, value in data.items():
            if name == "params" and not value:
                continue
            key, at = keys.get(name), (*path, name)
            comment = self._comment(key, at, indent)
            yield from ([""] if comment and not path else [])
            yield from (f"{' ' * indent}# {line}" for line in comment)
            yield from self._value(f"{' ' * indent}{inline(name)}:", value, key, at, indent)

    def _value(self, start: str, value: Any, key: Key | None, path: Path, indent: int) -> Iterator[str]:
        config = self.resolved.configs.get(dotted(path[:-1])) if path[-1] == "params" else None
        model = type(config) if config is not None else (key.models[0] if key and key.models else None)
        if isinstance(value, dict) and value:
            yield start
            yield from self._mapping(value, model, path, indent + 2)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            yield start
            for place, item in enumerate(value):
                first, *rest = [*self._mapping(item, model, (*path, place), indent + 4)] or ["{}"]
                yield from (f"{' ' * indent}  - {first.lstrip()}", *rest)
        else:
            yield f"{start} {inline(value)}"

    def _comment(self, key: Key | None, path: Path, indent: int) -> list[str]:
        if key is None or (len(path) > 1 and path[-1] in ("name", "params", "weight")):
            return []
        words = [key.description.replace("`", "")] if key.description else []
        kind = kind_at(path) or (COMPONENT_LISTS.get(str(path[0])) if len(path) == 1 else None)
        if kind:
            words.append(f"Installed: {', '.join(installed(self.registry, kind)) or 'none'}.")
        elif len(path) > 1 and key.limits:
            words.append(f"({key.limits})")
        said = (path[-1], " ".join(words))
        if path[0] == "stages" and said in self.said:  # what the stages share is said at the first
            return []
        self.said.add(said)
        return textwrap.wrap(said[1], WIDTH - indent - 2)
