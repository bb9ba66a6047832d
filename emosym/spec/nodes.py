"""A spec as a tree in which every value knows where it was written, and where its components are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Literal

from emosym.spec.model import COMPONENT_KEYS, COMPONENT_LISTS, Judges

OriginKind = Literal["file", "preset", "set", "default", "stage-preset"]
Path = tuple[str | int, ...]
Scalar = str | int | float | bool | None
REMOVES = "removes"


@dataclass(frozen=True)
class Origin:
    """Where a value comes from. ``line`` and ``column`` count from 1 and are 0 where there is no file;
    ``name`` is that of a preset. A default has a place only in a saved spec, where nobody wrote it either."""

    kind: OriginKind
    file: str = ""
    line: int = 0
    column: int = 0
    name: str = ""

    @property
    def place(self) -> str:
        """``file:line:column``, or what stands for it."""
        if self.line:
            return f"{self.file}:{self.line}:{self.column}"
        return self.file or str(self)

    def __str__(self) -> str:
        match self.kind:
            case "file":
                return self.place
            case "preset":
                return f"preset:{self.name} ({self.place})"
            case "stage-preset":
                return f"stage-preset {self.name} ({self.place})"
            case "set":
                return self.file
        return "default"


@dataclass(frozen=True)
class Node:
    """A value and its places: ``origin`` of the value, ``key`` of the key it stands behind.

    ``soft`` says in words why the value may be dropped where it does not fit: it "was set for" another
    component, or "was a default of" an earlier version. A null that removes an inherited value says
    :data:`REMOVES`.
    """

    value: dict[str, Node] | list[Node] | Scalar
    origin: Origin
    key: Origin | None = None
    soft: str = ""

    @property
    def where(self) -> Origin:
        """Where a reader looks for it: the key where there is one."""
        return self.key or self.origin

    @property
    def fields(self) -> dict[str, Node]:
        """Children of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """Children of a list; empty for anything else."""
        return self.value if isinstance(self.value, list) else []

    def child(self, part: str | int) -> Node | None:
        """The child behind a key or an index, or None."""
        if isinstance(part, str):
            return self.fields.get(part)
        return self.items[part] if 0 <= part < len(self.items) else None

    def at(self, path: Path) -> Node | None:
        """The descendant at a path, or None."""
        node: Node | None = self
        for part in path:
            node = node.child(part) if node is not None else None
        return node

    def plain(self) -> Any:
        """Dicts, lists and scalars without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """This node and all below it."""
        yield path, self
        children: list[tuple[str | int, Node]] = [*self.fields.items(), *enumerate(self.items)]
        for part, node in children:
            yield from node.walk((*path, part))

    def put(self, path: Path, node: Node | None) -> Node:
        """A copy in which the descendant at ``path``, whose parents are there, is this node, or gone."""
        head, rest = path[0], path[1:]
        if rest:
            parent = self.child(head)
            node = parent.put(rest, node) if parent is not None else None
        if isinstance(head, str):
            fields = {**self.fields, head: node}
            return replace(self, value={key: item for key, item in fields.items() if item is not None})
        items = list(self.items)
        items[head : head + 1] = [node] if node is not None else []
        return replace(self, value=items)


def of_plain(value: Any, origin: Origin, key: Origin | None = None) -> Node:
    """A tree of plain values that all come from one place."""
    if isinstance(value, dict):
        return Node({name: of_plain(item, origin, origin) for name, item in value.items()}, origin, key)
    if isinstance(value, list):
        return Node([of_plain(item, origin) for item in value], origin, key)
    return Node(value, origin, key)


def plain_of(value: Any) -> Any:
    """What Python people write as YAML would give it: dicts for mappings, lists for tuples, text for paths."""
    if isinstance(value, Mapping):
        return {str(key): plain_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_of(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Scalars, and lists of scalars, by dotted path."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}.{index}")
    else:
        yield path, value


def dotted(path: Path) -> str:
    """``rewards.0.weight``."""
    return ".".join(str(part) for part in path)


def key_path(path: str) -> Path:
    """``rewards.0`` as keys and indices."""
    return tuple(int(part) if part.isdecimal() else part for part in path.split("."))


def bare(name: str) -> str:
    """A component's name without the plugin that a spec may put before it."""
    return name.rpartition("/")[2]


def same_component(one: str, other: str) -> bool:
    """Equal names, or a bare one and a qualified one of the same component."""
    return one == other or (bare(one) == bare(other) and not ("/" in one and "/" in other))


def kind_at(path: Path) -> str | None:
    """The kind of component that belongs at a path, None where none does."""
    match path:
        case (str(key),):
            return COMPONENT_KEYS.get(key)
        case (str(key), int()):
            return COMPONENT_LISTS.get(key)
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
    """Write components and trackers that are given as a bare name as mappings."""
    named = kind_at(path) or (len(path) == 2 and path[0] == "trackers")
    if named and isinstance(node.value, str):
        return replace(node, value={"name": Node(node.value, node.origin, node.key)})
    if named:
        return node
    if isinstance(node.value, dict):
        return replace(node, value={key: spell_out(item, (*path, key)) for key, item in node.value.items()})
    if isinstance(node.value, list):
        return replace(node, value=[spell_out(item, (*path, i)) for i, item in enumerate(node.value)])
    return node
