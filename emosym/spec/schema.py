"""JSON Schema of a spec from what is installed, so that an editor completes names and parameters."""

from __future__ import annotations

from typing import Any

from emosym_registry import EmosymError, Registry

from emosym.contracts.labels import LABEL_SETS
from emosym.spec.layers import PRESET, preset_names
from emosym.spec.model import COMPONENT_KEYS, COMPONENT_LISTS, Component, Judges, Reward, Spec

_LABELS = {
    "anyOf": [
        {"enum": list(LABEL_SETS)},
        {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True},
        {"type": "null"},
    ]
}
_ABOUT = ("title", "description", "default", "examples")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(registry: Registry) -> dict[str, Any]:
    """A JSON Schema (draft 2020-12).

    Nothing inside a section is required, because a spec that extends another may leave it out: that a value
    is missing altogether is for ``spec check`` to say, and so is a null that removes nothing. Without
    ``extends`` the required sections are required.
    """
    document = Spec.model_json_schema(mode="validation")
    needed = [key for key in document.get("required", []) if key not in ("emosym", "stages")]
    definitions: dict[str, Any] = document.pop("$defs", {})
    _relax(document)
    for definition in definitions.values():
        _relax(definition)
    for definition in (document, *definitions.values()):
        _nullable(definition)
    kinds = sorted({*COMPONENT_KEYS.values(), *COMPONENT_LISTS.values(), "judge"})
    for kind in kinds:
        definitions.update(_parameters(registry, kind))
        definitions[f"component.{kind}"] = _component(registry, kind)
    properties = document["properties"]
    for key, kind in COMPONENT_KEYS.items():
        properties[key] = _described(properties[key], _or_null(_ref(kind)))
    for key, kind in COMPONENT_LISTS.items():
        properties[key] = _described(properties[key], {"type": ["array", "null"], "items": _ref(kind)})
    trackers = properties["trackers"]
    trackers["items"] = {"anyOf": [definitions["Tracker"]["properties"]["name"], trackers["items"]]}
    judges = definitions["Judges"]["properties"]
    for role in Judges.model_fields:
        judges[role] = _described(judges[role], _or_null(_ref("judge")))
    for key in ("emosym", "name"):
        properties[key] = Spec.model_json_schema()["properties"][key]  # these two nothing can remove
    properties["labels"] = _described(properties["labels"], _LABELS)
    definitions["Plugins"]["properties"]["only"]["examples"] = [
        sorted({*registry.plugins, *registry.blocked})
    ]
    properties["extends"] = {
        "type": ["string", "null"],
        "description": "A file, relative to this one, or preset:NAME.",
        "examples": [f"{PRESET}{name}" for name in preset_names(registry)],
    }
    extending = {"required": ["extends"], "properties": {"extends": {"type": "string"}}}
    return {
        "$schema": DIALECT,
        **document,
        "title": "emosym spec",
        "required": ["emosym"],
        "anyOf": [extending, {"required": needed}],
        "$defs": definitions,
    }


def _ref(kind: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/component.{kind}"}


def _described(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {**new, "description": old["description"]} if "description" in old else new


def _component(registry: Registry, kind: str) -> dict[str, Any]:
    """A bare name, or a mapping whose ``params`` fit the component that is named."""
    offers = registry.components(kind)
    bare = [offer.spec.name for offer in offers]
    names = [name for name in bare if bare.count(name) == 1]
    names += [offer.qualified for offer in offers]
    owner = Reward if kind == COMPONENT_LISTS["rewards"] else Component
    properties: dict[str, Any] = owner.model_json_schema()["properties"]
    properties["name"] |= {"enum": names}
    properties["params"]["type"] = ["object", "null"]
    choices = [
        {
            "if": {
                "properties": {"name": {"enum": [offer.spec.name, offer.qualified]}},
                "required": ["name"],
            },
            "then": {
                "properties": {
                    "params": _or_null({"$ref": f"#/$defs/{kind}.{offer.plugin.id}.{offer.spec.name}"})
                }
            },
        }
        for offer in offers
    ]
    if offers:  # a spec that extends another may leave the name to it
        any_of = [{"$ref": f"#/$defs/{kind}.{offer.plugin.id}.{offer.spec.name}"} for offer in offers]
        nameless = {"not": {"required": ["name"]}}
        choices.append({"if": nameless, "then": {"properties": {"params": _or_null({"anyOf": any_of})}}})
    mapping = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"allOf": choices} if choices else {}),
    }
    return {"anyOf": [{"enum": names}, mapping]}


def _parameters(registry: Registry, kind: str) -> dict[str, Any]:
    """The schemas of all config models of a kind, with what they refer to."""
    definitions: dict[str, Any] = {}
    for offer in registry.components(kind):
        own = f"{kind}.{offer.plugin.id}.{offer.spec.name}"
        try:
            document = offer.load_config().model_json_schema(ref_template=f"#/$defs/{own}.{{model}}")
        except EmosymError:
            document = {
                "type": "object",
                "description": f"the parameters of {offer.qualified} cannot be loaded",
            }
        for name, definition in document.pop("$defs", {}).items():
            _relax(definition)
            _nullable(definition)
            definitions[f"{own}.{name}"] = definition
        _relax(document)
        _nullable(document)
        definitions[own] = {"description": offer.spec.summary, **document}
    return definitions


def _relax(definition: dict[str, Any]) -> None:
    definition.pop("required", None)


def _nullable(definition: dict[str, Any]) -> None:
    """Let every key be null: that removes what a spec inherits."""
    for key, value in definition.get("properties", {}).items():
        definition["properties"][key] = _or_null(value)
    if isinstance(definition.get("additionalProperties"), dict):
        definition["additionalProperties"] = _or_null(definition["additionalProperties"])


def _or_null(value: dict[str, Any]) -> dict[str, Any]:
    _nullable(value)
    if isinstance(value.get("type"), str) and not {"enum", "const"} & set(value):
        return {**value, "type": [value["type"], "null"]} if value["type"] != "null" else value
    branches = value.get("anyOf") or [{key: item for key, item in value.items() if key not in _ABOUT}]
    if {"type": "null"} in branches:
        return value
    return {
        **{key: item for key, item in value.items() if key in _ABOUT},
        "anyOf": [*branches, {"type": "null"}],
    }
