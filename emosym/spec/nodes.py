"""A spec as a tree in which every value knows where it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

OriginKind = Literal["file", "preset", "set", "default", "stage-preset"]
Path = tuple[str | int, ...]
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Origin:
    """Where a value comes from. ``line`` and ``column`` count from 1 and are 0 where there is no file; ``name`` is that of
    a preset."""

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
                return f"stage-preset {self.name}"
            case "set":
                return self.file
        return "default"


@dataclass(frozen=True)
class Node:
    """A value and its places: ``origin`` of the value, ``key`` of the key it stands behind.

    ``soft`` says why the value may be dropped when it does not fit: it is a null that removes an inherited value, or a
    parameter that was written for another component.
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

    def without(self, path: Path) -> Node:
        """A copy in which the descendant at ``path`` is missing."""
        head, rest = path[0], path[1:]
        if isinstance(head, str):
            fields = dict(self.fields)
            if rest:
                fields[head] = fields[head].without(rest)
            else:
                del fields[head]
            return replace(self, value=fields)
        items = list(self.items)
        if rest:
            items[head] = items[head].without(rest)
        else:
            del items[head]
        return replace(self, value=items)

    def with_child(self, part: str | int, child: Node) -> Node:
        """A copy in which a child is replaced or added."""
        if isinstance(part, str):
            return replace(self, value={**self.fields, part: child})
        items = list(self.items)
        items[part : part + 1] = [child]
        return replace(self, value=items)


def of_plain(value: Any, origin: Origin, key: Origin | None = None) -> Node:
    """A tree of plain values that all come from one place."""
    if isinstance(value, dict):
        return Node({name: of_plain(item, origin, origin) for name, item in value.items()}, origin, key)
    if isinstance(value, list):
        return Node([of_plain(item, origin) for item in value], origin, key)
    return Node(value, origin, key)


def dotted(path: Path) -> str:
    """``rewards.0.weight``."""
    return ".".join(str(part) for part in path)
