"""Layers of a spec laid over one another: stage presets, what it extends, the file itself, ``--set``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path as FilePath
from typing import Any, get_args

from emosym_registry import EmosymError, Registry, did_you_mean

from emosym.spec.errors import fail
from emosym.spec.model import STAGES, PresetName
from emosym.spec.nodes import (
    REMOVES,
    Node,
    Origin,
    Path,
    bare,
    dotted,
    kind_at,
    of_plain,
    plain_of,
    same_component,
    spell_out,
)
from emosym.spec.text import found, read_file, read_text

VERSION = 1
"""The spec version of this emosym."""
PRESET = "preset:"
BUILT_IN = {name: FilePath(__file__).parent / "presets" / f"{name}.yaml" for name in get_args(PresetName)}
"""The presets that emosym brings, by name."""


Source = FilePath | str | Mapping[str, Any]
"""A YAML file, ``preset:NAME``, or what such a file holds."""
GIVEN = Origin("set", "the given spec")
Set = str | tuple[tuple[str, ...], Node]
"""An override: ``key.path=value``, or its keys and its value with the place where that was written."""


def merge(base: Node, over: Node, path: Path = ()) -> Node:
    """``over`` on top of ``base``: mappings merge, everything else replaces, null removes.

    Where ``over`` names another component, the parameters of the old one stay but may be dropped: those that
    the new one has no field for will be, with a message.
    """
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        fields = dict(base.value)
        for key, node in over.value.items():
            fields[key] = merge(fields[key], node, (*path, key)) if key in fields else node
        merged = replace(over, value=fields)
        return _swap(base, over, merged) if kind_at(path) else merged
    if over.value is None:
        return replace(over, soft=REMOVES)
    return over


def _swap(base: Node, over: Node, merged: Node) -> Node:
    old, new = base.fields.get("name"), over.fields.get("name")
    params = base.fields.get("params")
    if old is None or new is None or params is None or same_component(str(old.value), str(new.value)):
        return merged
    inherited = soften(params, f"was set for {bare(str(old.value))!r}")
    return merged.put(
        ("params",), merge(inherited, over.fields["params"]) if "params" in over.fields else inherited
    )


def soften(node: Node, why: str) -> Node:
    """The node and all below it as values that may be dropped; what may be already keeps its own reason."""
    value = node.value
    if isinstance(value, dict):
        value = {key: soften(item, why) for key, item in value.items()}
    return replace(node, soft=node.soft or why, value=value)


def read_source(source: Source, registry: Registry | None, base: FilePath | None = None) -> Node:
    """A file, ``preset:NAME`` or a mapping with everything that it extends; without a registry, presets say nothing.

    Of a stage in a preset of emosym only the preset's name is kept: :func:`fill_stages` puts the rest there,
    so that a spec which extends it may choose another.
    """
    folder = base or FilePath()
    if isinstance(source, Mapping):
        node = of_plain(plain_of({"emosym": VERSION, **source}), GIVEN)
        return _extended(node, folder, registry, ())
    return _read(str(source), folder, Origin("file", str(source)), registry, ())


def _read(
    source: str,
    folder: FilePath,
    asked: Origin,
    registry: Registry | None,
    chain: tuple[tuple[FilePath, str], ...],
) -> Node:
    if not source.startswith(PRESET):
        file = folder / source
        origin = Origin("file", os.path.normpath(file))
    elif registry is None:
        return Node({}, asked)
    else:
        file, origin = _preset(source.removeprefix(PRESET), asked, registry)
    if chain and not os.path.isfile(file):
        message = f"expected a spec to extend, found no file {str(file)!r}"
        hint = "the path is relative to the extending file; presets are written preset:NAME"
        fail(asked, "spec.missing-extends", message, hint, path="extends")
    identity = file.resolve()
    if any(identity == earlier for earlier, _ in chain):
        circle = " → ".join([*(name for _, name in chain), origin.file])
        fail(
            asked,
            "spec.cycle",
            f"goes round in a circle: {circle}",
            "let one of them extend nothing",
            path="extends",
        )
    node = read_file(file, origin)
    return _extended(node, file.parent, registry, (*chain, (identity, origin.file)), file)


def _extended(
    node: Node,
    folder: FilePath,
    registry: Registry | None,
    chain: tuple[tuple[FilePath, str], ...],
    file: FilePath | None = None,
) -> Node:
    """What was read from a ``file`` of a ``folder``, on top of what it extends."""
    node = spell_out(node)
    _check_version(node)
    if file in BUILT_IN.values():
        for stage, one in node.fields["stages"].fields.items():
            node = node.put(("stages", stage), replace(one, value={"preset": one.fields["preset"]}))
    extends = node.fields.get("extends")
    if extends is None:
        return node
    node = node.put(("extends",), None)
    if extends.value is None:
        return node
    if not isinstance(extends.value, str):
        message = f"expected a file or preset:NAME, found {found(extends.plain())}"
        fail(extends.origin, "spec.bad-extends", message, path="extends")
    return merge(_read(extends.value, folder, extends.origin, registry, chain), node)


def _check_version(root: Node) -> None:
    given = root.fields.get("emosym")
    if given is None:
        place = replace(root.origin, line=1, column=1)
        hint = f'add "emosym: {VERSION}" as the first line'
        fail(place, "spec.no-version", "expected the spec's version, found nothing", hint, path="emosym")
    version = given.value
    if isinstance(version, int) and version > VERSION:
        message = f"expected {VERSION}, found {version}: written for a newer emosym"
        fail(given.origin, "spec.newer-version", message, "pip install --upgrade emosym", path="emosym")
    if version != VERSION or isinstance(version, bool):
        message = f"expected {VERSION}, found {found(given.plain())}"
        fail(given.origin, "spec.bad-version", message, path="emosym")


def _preset(name: str, asked: Origin, registry: Registry) -> tuple[FilePath, Origin]:
    try:
        path = preset_file(name, registry)
    except EmosymError as error:
        if not asked.line:
            raise
        fail(asked, error.id, error.message, error.hint, path="extends")
    return path, Origin("preset", str(path), name=name)


def preset_file(name: str, registry: Registry) -> FilePath:
    """The file of a preset of emosym, else of a plugin (``plugin-id/name`` where emosym has the name).

    Errors: ``spec.unknown-preset``, ``spec.ambiguous-preset``.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    try:
        return registry.preset(name)
    except EmosymError as error:
        if error.id != "spec.unknown-preset":
            raise
        meant = did_you_mean(name, BUILT_IN)
        message = error.message if "; " in error.message or not meant else f"{error.message}; {meant}"
        hint = f"presets of emosym: {', '.join(BUILT_IN)}; of plugins: {error.hint.removeprefix('presets: ')}"
        raise EmosymError(error.id, message, hint=hint) from error


def preset_names(registry: Registry) -> list[str]:
    """The names by which a spec can extend a preset, those of emosym first."""
    offered = [(plugin.id, preset.name) for plugin, preset in registry.presets()]
    names = [name for _, name in offered]
    return [
        *BUILT_IN,
        *(n if n not in BUILT_IN and names.count(n) == 1 else f"{id}/{n}" for id, n in offered),
    ]


def apply_sets(root: Node, sets: Sequence[Set]) -> Node:
    """Lay overrides over a tree, those that name components first: ``key.path=value``, whose value is YAML, or keys and a
    value that is read already. Mappings merge into what is there; an element of a list is named by its place or, where it
    is a component, by its name, and null leaves it out."""
    parsed = [parse_set(one) if isinstance(one, str) else one for one in sets]
    for parts, value in sorted(parsed, key=lambda item: not _names_component(item[0])):
        root = _assign(root, parts, value, ())
    return root


def parse_set(text: str) -> tuple[tuple[str, ...], Node]:
    """The keys and the value of ``key.path=value``. Errors: ``spec.bad-set``."""
    key, equals, value = text.partition("=")
    key = key.strip()
    origin = Origin("set", f"--set {key or text}")
    parts = tuple(key.split("."))
    if not equals or not all(parts):
        place = Origin("set", f"--set {text}")
        fail(place, "spec.bad-set", "expected key.path=value", "for example --set seed=3", path="")
    if re.search(r"(^|\s)#", value) and value.strip()[:1] not in "\"'":
        place = Origin("set", f"--set {text}")
        message = f"YAML reads no further than the # in {value.strip()!r}"
        fail(place, "spec.bad-set", message, f"quote the value: --set '{key}=\"{value.strip()}\"'", path=key)
    return parts, replace(read_text(value, origin), key=origin)


def _names_component(parts: tuple[str, ...]) -> bool:
    path = tuple(int(part) if part.isdecimal() else part for part in parts)
    return bool(kind_at(path)) or (path[-1] == "name" and bool(kind_at(path[:-1])))


def _assign(node: Node | None, parts: tuple[str, ...], value: Node, path: Path) -> Node:
    if not parts:
        value = spell_out(value, path)
        return value if node is None else replace(merge(node, value, path), key=value.key)
    head, rest = parts[0], parts[1:]
    if node is None or node.value is None:
        node = Node([] if head.isdecimal() else {}, value.origin, node.key if node else value.key)
    if isinstance(node.value, list):
        last = len(node.value)
        named = [str(one.fields["name"].value) if "name" in one.fields else "" for one in node.items]
        found_at = [i for i, name in enumerate(named) if same_component(name, head)]
        if len(found_at) != 1 and not (head.isdecimal() and int(head) <= last):
            names = [bare(name) for name in named if name]
            message = f"expected an index from 0 to {last} after {dotted(path)!r}, found {head!r}"
            hint = did_you_mean(head, names) or (f"or a name: {', '.join(names)}" if names else "")
            fail(value.origin, "spec.bad-set", message, hint, path=dotted(path))
        index = found_at[0] if len(found_at) == 1 else int(head)
        return node.put((index,), _assign(node.child(index), rest, value, (*path, index)))
    if not isinstance(node.value, dict):
        message = f"expected a mapping at {dotted(path)!r}, found {found(node.plain())}"
        fail(value.origin, "spec.bad-set", message, f"it comes from {node.where}", path=dotted(path))
    child = _assign(node.child(head), rest, value, (*path, head))
    changed = node.put((head,), child)
    if kind_at(path) and head == "name":
        return _swap(node, Node({"name": child}, child.origin), changed)
    return changed


@cache
def stage_preset(preset: str, stage: str) -> Node:
    """A stage as a preset of emosym has it."""
    file = BUILT_IN[preset]
    return read_file(file, Origin("stage-preset", str(file), name=preset)).fields["stages"].fields[stage]


def fill_stages(root: Node, lay: Callable[[Node, Node], Node] = merge) -> Node:
    """Put every stage's preset below what the spec says of it; ``lay`` puts one over the other."""
    stages = root.fields.get("stages")
    if stages is None or stages.value is None:
        stages = Node({}, Origin("stage-preset", name="emosym"))
    if not isinstance(stages.value, dict):
        return root
    for stage in STAGES:
        given = stages.fields.get(stage)
        if given is not None and not isinstance(given.value, dict):
            continue
        chosen = given.fields["preset"].value if given and "preset" in given.fields else None
        below = stage_preset(chosen if isinstance(chosen, str) and chosen in BUILT_IN else "emosym", stage)
        stages = stages.put((stage,), lay(below, given) if given else below)
    return root.put(("stages",), stages)


def refill(below: Node, given: Node) -> Node:
    """Give back what a null has removed of a stage, but for the rates of groups."""
    fields = dict(given.fields)
    for key, node in below.fields.items():
        if key not in fields:
            fields[key] = node
        elif key != "lr" and node.fields and fields[key].fields:
            fields[key] = refill(node, fields[key])
    return replace(given, value=fields)
