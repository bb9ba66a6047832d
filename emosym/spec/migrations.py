"""Older spec versions, brought to the present one a step at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from emosym.spec.errors import Problem, SpecErrors
from emosym.spec.nodes import Node
from emosym.spec.reader import found

VERSION = 1
"""The spec version of this emosym."""


def _rename(root: Node, old: str, new: str) -> tuple[Node, list[str]]:
    if old not in root.fields:
        return root, []
    if new in root.fields:
        problem = Problem.at(
            root.fields[old].where,
            old,
            f"{old!r} is the old name of {new!r}, and both are given",
            "keep one of them",
        )
        raise SpecErrors([problem])
    renamed = {new if key == old else key: node for key, node in root.fields.items()}
    return replace(root, value=renamed), [f"{old!r} is now {new!r}"]


def _from_0(root: Node) -> tuple[Node, list[str]]:
    """Version 1 named the sections for their kind of component where that is shorter to say."""
    root, first = _rename(root, "dataset", "data")
    root, second = _rename(root, "space", "emotion_space")
    return root, first + second


MIGRATIONS: dict[int, Callable[[Node], tuple[Node, list[str]]]] = {0: _from_0}
"""Version → the function that makes the next version of it, and says what it changed."""


def migrate(root: Node, messages: list[str]) -> Node:
    """Bring one file's tree to :data:`VERSION`, or say why that cannot be."""
    given = root.fields.get("emosym")
    if given is None:
        problem = Problem.at(replace(root.origin, line=1, column=1), "emosym", "expected the spec's version, found nothing",
                             f'add "emosym: {VERSION}" as the first line')  # fmt: skip
        raise SpecErrors([problem], "spec.no-version")
    version = given.value
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise SpecErrors(
            [Problem.at(given.origin, "emosym", f"expected {VERSION}, found {found(given.plain())}")],
            "spec.bad-version",
        )
    if version > VERSION:
        problem = Problem.at(given.origin, "emosym", f"expected at most {VERSION}, found {version}: written for a newer emosym",
                             "pip install --upgrade emosym")  # fmt: skip
        raise SpecErrors([problem], "spec.newer-version")
    changes: list[str] = []
    for step in range(version, VERSION):
        root, said = MIGRATIONS[step](root)
        changes += said
    if version < VERSION:
        what = "; ".join(changes) or "nothing had to change"
        messages.append(
            f'{given.where.place} migrated from version {version} to {VERSION}: {what}; write "emosym: {VERSION}" to keep it'
        )
        root = root.with_child("emosym", replace(given, value=VERSION))
    return root
