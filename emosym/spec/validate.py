"""A tree of nodes against the models of the spec and of every component that it names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from emosym_registry import EmosymError, RegisteredComponent, Registry
from pydantic import BaseModel, ValidationError

from emosym.spec.checks import cross_checks
from emosym.spec.errors import Problem, SpecErrors
from emosym.spec.model import Spec
from emosym.spec.nodes import Node, Path, dotted, of_plain
from emosym.spec.shape import components
from emosym.spec.wording import problems_of

M = TypeVar("M", bound=BaseModel)
Located = list[tuple[Path, Problem]]


@dataclass
class Validated:
    """What validation found: the spec, and by path the configs and offers of its components."""

    root: Node
    spec: Spec
    configs: dict[str, BaseModel] = field(default_factory=dict)
    offers: dict[str, RegisteredComponent] = field(default_factory=dict)


def validate(root: Node, registry: Registry, messages: list[str]) -> Validated:
    """Everything that is wrong, at once, as :class:`SpecErrors`.

    A value that may be dropped (an inherited parameter of another component, a null that removes) is dropped when it
    does not fit, and what remains is looked at again.
    """
    while True:
        problems, configs, offers = _component_problems(root, registry)
        spec, more = _spec_problems(root)
        said = {path for path, _ in problems}  # a component knows better what to do than the spec's own model
        problems += [(path, problem) for path, problem in more if path not in said]
        smaller = _drop_soft(root, problems, messages)
        if smaller is None:
            break
        root = smaller
    checked, crossed = cross_checks(root, configs, offers, messages)
    found = [problem for _, problem in problems] + crossed
    if found or spec is None:
        raise SpecErrors(found)
    if checked is not root:
        root, spec = checked, Spec.model_validate(checked.plain())
    for path, config in configs.items():
        _component(spec, path).params = config.model_dump(mode="json")
    return Validated(root, spec, configs, offers)


def _component(spec: Spec, path: str) -> Any:
    section, _, rest = path.partition(".")
    holder = getattr(spec, section)
    if not rest:
        return holder
    return holder[int(rest)] if rest.isdecimal() else getattr(holder, rest)


def _spec_problems(root: Node) -> tuple[Spec | None, Located]:
    spec, errors = _parse(Spec, root.plain())
    return spec, problems_of(errors, Spec, root)


def _parse(model: type[M], value: Any) -> tuple[M | None, Sequence[Any]]:
    """The model with these values, or what is wrong with them.

    Pydantic alone would take ``true`` for 1 and ``"no"`` for false; here, as in every editor, they are mistakes. (It may
    take 1e4 for a whole number.)
    """
    try:
        valid = model.model_validate(value)
    except ValidationError as error:
        return None, error.errors(include_url=False)
    try:
        model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        wrong = [one for one in error.errors(include_url=False) if _confuses(one["type"], one["input"])]
        return (None, wrong) if wrong else (valid, ())
    return valid, ()


def _confuses(type_: str, value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match type_:
        case "int_type" | "float_type":
            return not number
        case "bool_type":
            return not isinstance(value, bool)
    return False


def _component_problems(
    root: Node, registry: Registry
) -> tuple[Located, dict[str, BaseModel], dict[str, RegisteredComponent]]:
    problems: Located = []
    configs: dict[str, BaseModel] = {}
    offers: dict[str, RegisteredComponent] = {}
    for path, kind, node in components(root):
        name = node.fields.get("name")
        if name is None or not isinstance(name.value, str):
            continue  # the spec's own model says so
        try:
            offer = offers[dotted(path)] = registry.find(kind, name.value)
            model = offer.load_config()
        except EmosymError as error:
            at = (*path, "name")
            problems.append((at, Problem.at(name.origin, dotted(at), error.message, error.hint)))
            continue
        params = node.fields.get("params") or of_plain({}, name.origin, node.key)
        if not isinstance(params.value, dict):
            continue
        if params.soft:
            params = replace(
                params, key=name.origin
            )  # what the new component misses is missing where it is named
        config, errors = _parse(model, params.plain())
        problems += problems_of(errors, model, params, (*path, "params"))
        if config is not None:
            configs[dotted(path)] = config
            problems += _ambiguous_model(path, params, kind, offer, config, registry)
        problems += _misplaced(path, node, model)
    return problems, configs, offers


def _ambiguous_model(
    path: Path, params: Node, kind: str, offer: RegisteredComponent, config: BaseModel, registry: Registry
) -> Located:
    """A ``model:`` that several plugins offer weights for."""
    model = getattr(config, "model", None)
    if not isinstance(model, str):
        return []
    try:
        registry.alias(kind, offer.spec.name, model)
    except EmosymError as error:
        at = (*path, "params", "model")
        return [
            (at, Problem.at(params.fields.get("model", params).where, dotted(at), error.message, error.hint))
        ]
    return []


def _misplaced(path: Path, node: Node, model: type[BaseModel]) -> Located:
    """Parameters written beside ``params`` instead of inside it."""
    own = {"name", "params", "weight"}
    found = [key for key in node.fields if key not in own and key in model.model_fields]
    return [
        ((*path, key), Problem.at(node.fields[key].where, dotted((*path, key)), f"unknown key {key!r} here: it is a parameter",
                                  f"write params: {{{key}: …}}"))
        for key in found
    ]  # fmt: skip


def _drop_soft(root: Node, problems: Located, messages: list[str]) -> Node | None:
    """The tree without the soft values that are at fault, None when none is."""
    drops = {soft for path, _ in problems if (soft := _softest(root, path)) is not None}
    if not drops:
        return None
    for path in sorted(drops, key=len, reverse=True):
        node = root.at(path)
        if node is None:
            continue
        if node.soft != "null":
            name = root.at((*path[: path.index("params")], "name"))
            new = name.plain() if name else "the new component"
            messages.append(
                f"{dotted(path)} was set for {node.soft!r} ({node.where}) and is dropped: {new!r} takes no such value"
            )
        root = root.without(path)
    return root


def _softest(root: Node, path: Path) -> Path | None:
    """The part of a path that may be dropped: the value at fault, or the inherited mapping that lacks a value."""
    node = root.at(path)
    if node is not None:
        return path if node.soft else None
    parent = root.at(path[:-1])
    inside = "params" in path[:-2]
    return path[:-1] if parent is not None and parent.soft and inside else None
