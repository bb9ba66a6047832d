"""Where every value of a spec came from, and where its stages differ from the paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from emosym_registry import Registry
from pydantic import BaseModel

from emosym.spec.model import CompressStage, ReinforceStage, UnifyStage
from emosym.spec.nodes import Origin
from emosym.spec.resolved import Resolved

_MODELS: dict[str, type[BaseModel]] = {
    "compress": CompressStage,
    "reinforce": ReinforceStage,
    "unify": UnifyStage,
}


PAPER = "paper"


@dataclass(frozen=True)
class Row:
    """One value and where it was written."""

    path: str
    value: Any
    source: Origin

    @property
    def origin(self) -> str:
        """The source in words."""
        return str(self.source)


@dataclass(frozen=True)
class Deviation:
    """A value that the paper has otherwise."""

    path: str
    value: Any
    paper: Any
    source: Origin

    @property
    def origin(self) -> str:
        """The source in words."""
        return str(self.source)


def explain(resolved: Resolved) -> list[Row]:
    """Every value of the spec, in the order of the spec, with where it came from."""
    return [Row(path, value, origin_of(resolved, path)) for path, value in _leaves(resolved.data())]


def deviations(resolved: Resolved, registry: Registry | None = None) -> list[Deviation]:
    """Each value that differs from the paper's form of the method.

    Those are values of a stage (a stage left out is one deviation), parameters of a component that could be ``paper`` and
    are not, and components whose kind has one of that name in the registry.
    """
    return [*_components(resolved, registry), *_stages(resolved)]


def _components(resolved: Resolved, registry: Registry | None) -> Iterator[Deviation]:
    kinds = (
        {offer.spec.kind for offer in registry.components() if offer.spec.name == PAPER}
        if registry
        else set()
    )
    for path, config in resolved.configs.items():
        spec = resolved.offers[path].spec
        if spec.kind in kinds and spec.name != PAPER:
            at = f"{path}.name"
            yield Deviation(at, spec.name, PAPER, origin_of(resolved, at))
        for name, field in type(config).model_fields.items():
            value = getattr(config, name)
            if PAPER in get_args(field.annotation) and value != PAPER:
                at = f"{path}.params.{name}"
                yield Deviation(at, value, PAPER, origin_of(resolved, at))


def _stages(resolved: Resolved) -> Iterator[Deviation]:
    stages = resolved.data()["stages"]
    for name, model in _MODELS.items():
        path = f"stages.{name}"
        if stages[name] is None:
            yield Deviation(path, None, "part of the method", origin_of(resolved, path))
            continue
        own = _stage_values(stages[name])
        paper = _stage_values(model.model_validate({"preset": PAPER}).model_dump(mode="json"))
        for key in [*own, *(key for key in paper if key not in own)]:
            if key != "preset" and own.get(key) != paper.get(key):
                at = f"{path}.{key}"
                yield Deviation(at, own.get(key), paper.get(key), origin_of(resolved, at))


def _stage_values(stage: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in _leaves(stage) if value != {}}


def origin_of(resolved: Resolved, path: str) -> Origin:
    """Where a value came from; one inside a list that was written as a whole came with the list."""
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
