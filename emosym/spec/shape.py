"""Which paths of a spec hold which kind of component."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from emosym.spec.model import COMPONENT_KEYS, Judges
from emosym.spec.nodes import Node, Path

LISTS = {"rewards": "reward", "metrics": "metric"}
"""Spec key → component kind, for sections that hold a list of components."""


def bare(name: str) -> str:
    """A component's name without the plugin that a spec may put before it."""
    return name.rpartition("/")[2]


def kind_at(path: Path) -> str | None:
    """The kind of component that belongs at a path, None where none does."""
    match path:
        case (str(key),):
            return COMPONENT_KEYS.get(key)
        case (str(key), int()):
            return LISTS.get(key)
        case ("judges", str(role)) if role in Judges.model_fields:
            return "judge"
    return None


def components(root: Node) -> Iterator[tuple[Path, str, Node]]:
    """Every component that the tree names: path, kind, node."""
    for path, node in root.walk():
        kind = kind_at(path)
        if kind and node.value is not None:
            yield path, kind, node


def spell_out(node: Node, path: Path = ()) -> Node:
    """Write components that are given as a bare name as mappings."""
    if kind_at(path) and isinstance(node.value, str):
        return replace(node, value={"name": Node(node.value, node.origin, node.key)})
    if kind_at(path):
        return node
    if isinstance(node.value, dict):
        return replace(node, value={key: spell_out(item, (*path, key)) for key, item in node.value.items()})
    if isinstance(node.value, list):
        return replace(node, value=[spell_out(item, (*path, i)) for i, item in enumerate(node.value)])
    return node
