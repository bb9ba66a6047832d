"""Layers of a spec laid over one another: what it extends, the file itself, ``--set``, and the stage presets below."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath

from emosym_registry import EmosymError, Registry

from emosym.spec.errors import Problem, SpecErrors
from emosym.spec.migrations import migrate
from emosym.spec.model import STAGE_PRESETS
from emosym.spec.nodes import Node, Origin, Path, dotted, of_plain
from emosym.spec.reader import found, read_file, read_text
from emosym.spec.shape import bare, kind_at, spell_out

PRESET = "preset:"


def merge(base: Node, over: Node, path: Path = ()) -> Node:
    """``over`` on top of ``base``: mappings merge, everything else replaces, null removes.

    Where ``over`` names another component, the parameters of the old one stay but may be dropped: those that the new
    one has no field for will be, with a message.
    """
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        fields = dict(base.value)
        for key, node in over.value.items():
            fields[key] = merge(fields[key], node, (*path, key)) if key in fields else node
        merged = replace(over, value=fields)
        return _swap(base, over, merged) if kind_at(path) else merged
    if over.value is None:
        return replace(over, soft="null")
    return over


def _swap(base: Node, over: Node, merged: Node) -> Node:
    old, new = base.fields.get("name"), over.fields.get("name")
    params = base.fields.get("params")
    if old is None or new is None or params is None or _same_component(str(old.value), str(new.value)):
        return merged
    inherited = _soften(params, bare(str(old.value)))
    return merged.with_child(
        "params", merge(inherited, over.fields["params"]) if "params" in over.fields else inherited
    )


def _same_component(old: str, new: str) -> bool:
    """Equal names, or a bare one and a qualified one of the same component."""
    return old == new or (bare(old) == bare(new) and not ("/" in old and "/" in new))


def _soften(node: Node, component: str) -> Node:
    soft = node.soft or component
    if isinstance(node.value, dict):
        return replace(
            node, soft=soft, value={key: _soften(item, component) for key, item in node.value.items()}
        )
    return replace(node, soft=soft)


def read_source(
    source: FilePath | str, registry: Registry, messages: list[str], base: FilePath | None = None
) -> Node:
    """A file or ``preset:NAME`` with everything that it extends, each file brought to the present version."""
    top = Origin("file", str(source))
    return _read(str(source), base or FilePath(), top, registry, messages, ())


def _read(
    source: str,
    folder: FilePath,
    asked: Origin,
    registry: Registry,
    messages: list[str],
    chain: tuple[tuple[FilePath, str], ...],
) -> Node:
    file, origin = _locate(source, folder, asked, registry)
    if chain and not os.path.isfile(file):
        raise SpecErrors([Problem.at(asked, "extends", f"expected a spec to extend, found no file {str(file)!r}",
                                     "the path is relative to the extending file; presets are written preset:NAME")],
                         "spec.missing-extends")  # fmt: skip
    identity = file.resolve()
    if any(identity == earlier for earlier, _ in chain):
        circle = " → ".join([*(name for _, name in chain), origin.file])
        raise SpecErrors(
            [
                Problem.at(
                    asked, "extends", f"goes round in a circle: {circle}", "let one of them extend nothing"
                )
            ],
            "spec.cycle",
        )
    node = spell_out(migrate(read_file(file, origin), messages))
    extends = node.fields.get("extends")
    if extends is None:
        return node
    node = node.without(("extends",))
    if extends.value is None:
        return node
    if not isinstance(extends.value, str):
        problem = Problem.at(
            extends.origin, "extends", f"expected a file or preset:NAME, found {found(extends.plain())}"
        )
        raise SpecErrors([problem], "spec.bad-extends")
    below = _read(
        extends.value, file.parent, extends.origin, registry, messages, (*chain, (identity, origin.file))
    )
    return merge(below, node)


def _locate(source: str, folder: FilePath, asked: Origin, registry: Registry) -> tuple[FilePath, Origin]:
    if not source.startswith(PRESET):
        path = folder / source
        return path, Origin("file", os.path.normpath(path))
    name = source.removeprefix(PRESET)
    try:
        path = registry.preset(name)
    except EmosymError as error:
        if not asked.line:
            raise
        raise SpecErrors([Problem.at(asked, "extends", error.message, error.hint)], error.id) from error
    return path, Origin("preset", str(path), name=name)


def apply_sets(root: Node, sets: Sequence[str]) -> Node:
    """Lay ``key.path=value`` overrides over a tree, those that name components first; values are YAML, and mappings
    merge into what is there."""
    parsed = [_parse_set(text) for text in sets]
    for parts, value in sorted(parsed, key=lambda item: not _names_component(item[0])):
        root = _assign(root, parts, value, ())
    return root


def _parse_set(text: str) -> tuple[tuple[str, ...], Node]:
    key, equals, value = text.partition("=")
    key = key.strip()
    origin = Origin("set", f"--set {key or text}")
    parts = tuple(key.split("."))
    if not equals or not all(parts):
        raise SpecErrors(
            [
                Problem.at(
                    Origin("set", f"--set {text}"), "", "expected key.path=value", "for example --set seed=3"
                )
            ],
            "spec.bad-set",
        )
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
        if not head.isdecimal() or int(head) > last:
            problem = Problem.at(
                value.origin,
                dotted(path),
                f"expected an index from 0 to {last} after {dotted(path)!r}, found {head!r}",
            )
            raise SpecErrors([problem], "spec.bad-set")
        index = int(head)
        return node.with_child(index, _assign(node.child(index), rest, value, (*path, index)))
    if not isinstance(node.value, dict):
        problem = Problem.at(value.origin, dotted(path), f"expected a mapping at {dotted(path)!r}, found {found(node.plain())}",
                             f"it comes from {node.where}")  # fmt: skip
        raise SpecErrors([problem], "spec.bad-set")
    child = _assign(node.child(head), rest, value, (*path, head))
    changed = node.with_child(head, child)
    if kind_at(path) and head == "name":
        return _swap(node, Node({"name": child}, child.origin), changed)
    return changed


def fill_stages(root: Node) -> Node:
    """Put the chosen preset of every stage below what the spec says of it."""
    stages = root.fields.get("stages")
    if stages is None or stages.value is None:
        stages = of_plain({}, Origin("stage-preset", name="emosym"))
    if not isinstance(stages.value, dict):
        return root
    for name, presets in STAGE_PRESETS.items():
        given = stages.fields.get(name)
        if given is not None and not isinstance(given.value, dict):
            continue
        chosen = given.fields["preset"].value if given and "preset" in given.fields else "emosym"
        preset = chosen if isinstance(chosen, str) and chosen in presets else "emosym"
        below = of_plain({"preset": preset, **presets[preset]}, Origin("stage-preset", name=preset))
        stages = stages.with_child(name, merge(below, given) if given else below)
    return root.with_child("stages", stages)
