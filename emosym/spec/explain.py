"""Where every value of a spec came from, and where its stages differ from the paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from emosym.spec.model import CompressStage, ReinforceStage, UnifyStage
from emosym.spec.nodes import Origin
from emosym.spec.resolved import Resolved

_MODELS: dict[str, type[BaseModel]] = {
    "compress": CompressStage,
    "reinforce": ReinforceStage,
    "unify": UnifyStage,
}


@dataclass(frozen=True)
class Row:
    """One value and its origin in words."""

    path: str
    value: Any
    origin: str


@dataclass(frozen=True)
class Deviation:
    """A value of a stage that the ``paper`` preset has otherwise."""

    path: str
    value: Any
    paper: Any
    origin: str


def explain(resolved: Resolved) -> list[Row]:
    """Every value of the spec, in the order of the spec, with where it came from."""
    return [Row(path, value, str(_origin(resolved, path))) for path, value in _leaves(resolved.data())]


def deviations(resolved: Resolved) -> list[Deviation]:
    """Each value of a stage that differs from the paper's form of that stage; a stage left out is one deviation."""
    found = []
    stages = resolved.data()["stages"]
    for name, model in _MODELS.items():
        path = f"stages.{name}"
        if stages[name] is None:
            found.append(Deviation(path, None, "part of the method", str(_origin(resolved, path))))
            continue
        own, paper = (
            dict(_leaves(stages[name])),
            dict(_leaves(model.model_validate({"preset": "paper"}).model_dump(mode="json"))),
        )
        for key in [*own, *(key for key in paper if key not in own)]:
            if key != "preset" and own.get(key) != paper.get(key):
                at = f"{path}.{key}"
                found.append(Deviation(at, own.get(key), paper.get(key), str(_origin(resolved, at))))
    return found


def _origin(resolved: Resolved, path: str) -> Origin:
    """A value inside a list that was written as a whole came with the list."""
    while path not in resolved.origins and path.rpartition(".")[2].isdecimal():
        path = path.rpartition(".")[0]
    return resolved.origin(path)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Scalars, and lists of scalars, by dotted path."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
    else:
        yield path, value
