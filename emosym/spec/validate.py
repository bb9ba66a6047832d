"""A tree of nodes against the models of the spec and of every component that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, TypeVar

from emosym_registry import Alias, EmosymError, LoadedPlugin, RegisteredComponent, Registry, did_you_mean
from emosym_registry.errors import some
from emosym_registry.registry import ALIAS, weights_of
from pydantic import BaseModel, ValidationError

from emosym.spec.checks import cross_checks
from emosym.spec.errors import Problem, SpecErrors
from emosym.spec.keys import known_keys
from emosym.spec.layers import fill_stages, refill
from emosym.spec.model import COMPONENT_LISTS, NAME_PATTERN, NAME_WORDS, Spec
from emosym.spec.nodes import (
    REMOVES,
    Node,
    Origin,
    Path,
    bare,
    components,
    dotted,
    key_path,
    kind_at,
    of_plain,
)
from emosym.spec.saved import Saved, SavedComponent, absent, advice, foreign, stranger, was_called
from emosym.spec.text import found, inline

M = TypeVar("M", bound=BaseModel)
Located = list[tuple[Path, Problem]]
Used = Callable[[Path, Node], bool]
_EXPECTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping"),
    **dict.fromkeys(("literal_error", "enum"), "{expected}"),
    "string_type": "text",
    "path_type": "a path",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
    "string_too_short": "{min_length} or more characters",
}
"""Pydantic's types of errors in the words of a spec, filled from their context."""


@dataclass
class Validated:
    """What validation found: the spec, and by path its components, their parameters, and the alias that the ``model`` of
    some is, with its plugin."""

    root: Node
    spec: Spec | None = None
    configs: dict[str, BaseModel] = field(default_factory=dict)
    offers: dict[str, RegisteredComponent] = field(default_factory=dict)
    aliases: dict[str, tuple[LoadedPlugin, Alias]] = field(default_factory=dict)


def validate(
    root: Node, registry: Registry, messages: list[str], used: Used, saved: Saved, *, resumes: bool = False
) -> tuple[Validated, Spec]:
    """Everything that is wrong, at once, as :class:`SpecErrors`.

    A value that may be dropped (an inherited parameter of another component, a null that removes) is dropped
    when it does not fit, and what remains is looked at again. Components that are not ``used`` are not looked
    up.
    """
    root = fill_stages(root)
    while True:
        valid = Validated(root)
        problems = _component_problems(valid, registry, used, saved, resumes=resumes)
        spec, errors = parse(Spec, root.plain())
        said = {path for path, _ in problems}  # a component knows better what to do than the spec's own model
        problems += [one for one in problems_of(errors, Spec, root) if one[0] not in said]
        smaller = _drop_soft(root, problems, registry, messages)
        if smaller is None:
            break
        root = fill_stages(smaller, refill)
    valid.root, crossed = cross_checks(root, valid.configs, valid.offers, messages)
    wrong = [problem for _, problem in problems] + crossed
    if wrong or spec is None:
        raise SpecErrors(wrong)
    if valid.root is not root:
        spec = Spec.model_validate(valid.root.plain())
    for path, config in valid.configs.items():
        _component(spec, path).params = config.model_dump(mode="json")
    return valid, spec


def _component(spec: Spec, path: str) -> Any:
    section, _, rest = path.partition(".")
    holder = getattr(spec, section)
    if not rest:
        return holder
    return holder[int(rest)] if rest.isdecimal() else getattr(holder, rest)


def parse(model: type[M], value: Any) -> tuple[M | None, Sequence[Any]]:
    """The model with these values, or what is wrong with them.

    Pydantic alone would take ``true`` for 1 and ``"no"`` for false; here, as in every editor, they are
    mistakes. (It may take 1e4 for a whole number.)
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
    valid: Validated, registry: Registry, used: Used, saved: Saved, *, resumes: bool
) -> Located:
    """What is wrong with components; fills in what ``valid`` says of them."""
    problems: Located = []
    for path, kind, node in components(valid.root):
        name, at = node.fields.get("name"), dotted(path)
        if name is None or not isinstance(name.value, str) or not used(path, node):
            continue  # what has no name is for the spec's own model to say
        was = saved.get(at)
        try:
            offer = valid.offers[at] = registry.find(kind, name.value)
            if was and name.origin.line and was_called(name.value, was) and stranger(offer.plugin, was):
                raise foreign(kind, f"{at}.name={offer.qualified}", offer.plugin, was)
            model = offer.load_config()
        except EmosymError as error:
            error = absent(error, kind, name.value, was, registry)
            if was is not None and path[0] in COMPONENT_LISTS and not resumes:
                hint = f"{error.hint}, or go without it: --set {at}=null".removeprefix(", ")
                error = EmosymError(error.id, error.message, hint=hint)
            problems.append(
                ((*path, "name"), Problem.at(name.origin, f"{at}.name", error.message, error.hint))
            )
            continue
        params = node.fields.get("params") or of_plain({}, name.origin, node.key)
        if not isinstance(params.value, dict):
            continue
        if params.soft:
            params = replace(
                params, key=name.origin
            )  # what the new component misses is missing where it is named
        config, errors = parse(model, params.plain())
        wrong = problems_of(errors, model, params, (*path, "params"))
        problems += [(place, advice(problem, offer, was, resumes=resumes)) for place, problem in wrong]
        if config is not None:
            valid.configs[at] = config
            problems += _weights(valid, at, params, registry, was)
        problems += _misplaced(path, node, model)
    return problems


def _weights(
    valid: Validated, path: str, params: Node, registry: Registry, saved: SavedComponent | None
) -> Located:
    """Note which alias ``model:`` is; what is wrong where several plugins offer it, or none does that was to."""
    model, offer = getattr(valid.configs[path], "model", None), valid.offers[path]
    if not isinstance(model, str):
        return []
    was = saved.get("weights") if saved else None
    kind, name = offer.spec.kind, offer.spec.name
    try:
        alias = registry.find_alias(kind, name, model)
        if alias is None and was is not None and was_called(model, was):
            registry.find_alias(kind, name, f"{ALIAS}{was['name']}")  # no folder and no hub id: an error
        if alias is not None:
            by = alias[0].installed
            if was and params.fields["model"].origin.line and was_called(model, was) and stranger(by, was):
                raise foreign(f"{kind} {name}: model", f"{path}.params.model={model}", by, was)
            valid.aliases[path] = alias
            weights_of(*alias)  # an error where the plugin has lost it
        elif getattr(valid.configs[path], "hub_models", False):
            _require_place(
                f"{kind} {name}", model, [one.name for _, one in registry.aliases() if one.component == name]
            )
    except EmosymError as error:
        error = absent(error, f"{kind} {name}: model", model, was, registry)
        at, where = f"{path}.params.model", params.fields.get("model", params).where
        return [(key_path(at), Problem.at(where, at, error.message, error.hint))]
    return []


def _require_place(where: str, model: str, aliases: Sequence[str]) -> None:
    """Refuse a bare word that is no alias and no folder: the hub has ``OWNER/NAME``."""
    if "/" in model or FilePath(model).expanduser().exists():
        return
    what = f"{where}: model {model!r} is neither an alias of an installed plugin, nor a folder, nor a hub id (OWNER/NAME)"
    known = f"aliases: {some(sorted(set(aliases)), 20)}" if aliases else ""
    hint = "; ".join(
        filter(None, [did_you_mean(model, aliases), known, "is its plugin installed? emosym plugins list"])
    )
    raise EmosymError("spec.unknown-alias", what, hint=hint)


def _misplaced(path: Path, node: Node, model: type[BaseModel]) -> Located:
    """Parameters written beside ``params`` instead of inside it."""
    problems: Located = []
    for key in node.fields:
        if key not in ("name", "params", "weight") and key in model.model_fields:
            message, hint = f"unknown key {key!r} here: it is a parameter", f"write params: {{{key}: …}}"
            at = (*path, key)
            problems.append((at, Problem.at(node.fields[key].where, dotted(at), message, hint)))
    return problems


def _drop_soft(root: Node, problems: Located, registry: Registry, messages: list[str]) -> Node | None:
    """The tree without the soft values that are at fault, None when none is."""
    drops = {soft: one for path, one in reversed(problems) if (soft := _softest(root, path)) is not None}
    if not drops:
        return None
    for path in sorted(drops, key=len, reverse=True):
        node = root.at(path)
        if node is None:
            continue
        own = None
        if node.soft != REMOVES:
            name = root.at((*path[: path.index("params")], "name"))
            new = str(name.plain()) if name else "the new component"
            own = _namesake(path, node, new, registry)
            if own is not None:
                what = f"{own.plain()} takes its place"
            elif drops[path].message.startswith("unknown key"):
                what = "" if node.where.kind == "preset" else f"is dropped: {new!r} takes no such value"
            else:
                what = f"does not fit {new!r} ({drops[path].message}), whose default takes its place"
            if what:  # nobody misses what a preset alone has said
                messages.append(f"{dotted(path)} {node.soft} ({node.where.place}) and {what}")
        root = root.put(path, own)
    return root


def _namesake(path: Path, node: Node, component: str, registry: Registry) -> Node | None:
    """The weights of a new component that have the name of those that were set for the old one."""
    kind = kind_at(path[:-2])
    if path[-2:] != ("params", "model") or kind is None or not isinstance(node.value, str):
        return None
    name = bare(node.value.removeprefix(ALIAS))
    try:
        found = registry.find_alias(kind, registry.find(kind, component).spec.name, name)
    except EmosymError:
        return None
    return replace(node, value=f"{ALIAS}{found[0].qualified(name)}", soft="") if found else None


def _softest(root: Node, path: Path) -> Path | None:
    """What of a path may be dropped: the value at fault, or the inherited mapping that lacks a value."""
    node = root.at(path)
    if node is not None:
        return path if node.soft else None
    parent = root.at(path[:-1])
    inside = "params" in path[:-2]
    return path[:-1] if parent is not None and parent.soft and inside else None


def problems_of(
    errors: Iterable[Mapping[str, Any]], model: type[BaseModel], root: Node, prefix: Path = ()
) -> Located:
    """Each of pydantic's errors with the path of the value at fault. ``root`` is what was validated,
    ``prefix`` its path in the spec.

    The branches of a union complain one by one; their complaints about one value are joined.
    """
    together: dict[Path, list[Mapping[str, Any]]] = {}
    for one in errors:
        together.setdefault(_local(one["loc"], root, one["type"]), []).append(one)
    problems: Located = []
    for local, complaints in together.items():
        exact = root.at(local)
        node = exact or root.at(local[:-1]) or root
        of_key = complaints[0]["loc"][-1:] == ("[key]",)
        value = local[-1] if of_key else node.plain()
        of_key |= any(one["type"] == "extra_forbidden" for one in complaints)
        hint = next((hint for one in complaints if (hint := _hint(one, local, value, model))), "")
        at = (*prefix, *local)
        message = _message(complaints, local, value)
        problems.append((at, Problem.at(_place(node, exact, of_key), dotted(at), message, hint)))
    return problems


def _place(node: Node, exact: Node | None, of_key: bool) -> Origin:
    """Keys for what is unknown, missing or a whole section, values for what does not fit."""
    if exact is None or of_key or isinstance(exact.value, dict | list):
        return (exact or node).where
    return exact.origin


def _local(loc: tuple[int | str, ...], root: Node, type_: str) -> Path:
    """The error's location without the parts that name branches of a union or the key of a mapping."""
    node, path = root, []
    for position, part in enumerate(loc):
        child = node.child(part)
        if child is not None:
            node = child
            path.append(part)
        elif type_ == "missing" and position == len(loc) - 1:
            path.append(part)
    return tuple(path)


def _message(complaints: Sequence[Mapping[str, Any]], local: Path, value: Any) -> str:
    wanted = dict.fromkeys(_wanted(one["type"], one.get("ctx", {})) for one in complaints)
    if all(wanted):
        return f"expected {' or '.join(wanted)}, found {found(value)}"
    return "; ".join(dict.fromkeys(_sentence(one, local, value) for one in complaints))


def _wanted(type_: str, context: Mapping[str, Any]) -> str:
    if type_ == "string_pattern_mismatch":
        return NAME_WORDS if context["pattern"] == NAME_PATTERN else f"text like {context['pattern']}"
    numbers = {key: f"{item:.10g}" for key, item in context.items() if isinstance(item, int | float)}
    return _EXPECTED.get(type_, "").format(**{**context, **numbers})


def _sentence(one: Mapping[str, Any], local: Path, value: Any) -> str:
    match one["type"]:
        case "extra_forbidden":
            return f"unknown key {str(local[-1]) if local else ''!r}"
        case "missing":
            return "expected a value, found nothing"
        case "value_error":
            return str(one["ctx"]["error"])
    wanted, message = _wanted(one["type"], one.get("ctx", {})), str(one["msg"])
    return f"{f'expected {wanted}' if wanted else message[0].lower() + message[1:]}, found {found(value)}"


def _hint(one: Mapping[str, Any], local: Path, value: Any, model: type[BaseModel]) -> str:
    match one["type"]:
        case "extra_forbidden":
            known = known_keys(model, local[:-1])
            listed = f"keys here: {', '.join(known)}" if known else "nothing can be set here"
            return did_you_mean(str(local[-1]) if local else "", known) or listed
        case "literal_error" | "enum":
            return did_you_mean(str(value), re.findall(r"'([^']*)'", str(one["ctx"]["expected"])))
        case "string_type" | "path_type" if isinstance(value, int | float):
            return "put it in quotes"
        case "list_type" if isinstance(value, str) and value:
            return f"write {inline([value])}"
    return ""
