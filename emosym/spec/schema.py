"""JSON Schema of a spec, made from what is installed, so that an editor completes component names and parameters."""

from __future__ import annotations

from typing import Any

from emosym_registry import EmosymError, Registry

from emosym.spec.model import COMPONENT_KEYS, Judges, Spec
from emosym.spec.shape import LISTS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(registry: Registry) -> dict[str, Any]:
    """A JSON Schema (draft 2020-12).

    Nothing inside a section is required, because a spec that extends another may leave it out: that a value is missing
    altogether is for ``spec check`` to say. Without ``extends`` the required sections are required.
    """
    document = Spec.model_json_schema(mode="validation")
    needed = [key for key in document.get("required", []) if key != "emosym"]
    definitions: dict[str, Any] = document.pop("$defs", {})
    _relax(document)
    for definition in definitions.values():
        _relax(definition)
    kinds = sorted({*COMPONENT_KEYS.values(), *LISTS.values(), "judge"})
    for kind in kinds:
        definitions.update(_parameters(registry, kind))
        definitions[f"component.{kind}"] = _component(registry, kind)
    properties = document["properties"]
    for key, kind in COMPONENT_KEYS.items():
        properties[key] = _described(properties[key], {"anyOf": [_ref(kind), {"type": "null"}]})
    for key, kind in LISTS.items():
        properties[key] = _described(properties[key], {"type": "array", "items": _ref(kind)})
    judges = definitions["Judges"]["properties"]
    for role in Judges.model_fields:
        judges[role] = _described(judges[role], {"anyOf": [_ref("judge"), {"type": "null"}]})
    properties["extends"] = {"type": ["string", "null"], "description": "A file, relative to this one, or preset:NAME.",
                             "examples": [f"preset:{preset.name}" for _, preset in registry.presets]}  # fmt: skip
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
    properties: dict[str, Any] = {"name": {"enum": names}, "params": {"type": "object"}}
    if kind == LISTS["rewards"]:
        properties["weight"] = {"type": "number", "minimum": 0, "default": 1.0}
    choices = [
        {
            "if": {
                "properties": {"name": {"enum": [offer.spec.name, offer.qualified]}},
                "required": ["name"],
            },
            "then": {
                "properties": {"params": {"$ref": f"#/$defs/{kind}.{offer.plugin.id}.{offer.spec.name}"}}
            },
        }
        for offer in offers
    ]
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
            definitions[f"{own}.{name}"] = definition
        _relax(document)
        definitions[own] = {"description": offer.spec.summary, **document}
    return definitions


def _relax(definition: dict[str, Any]) -> None:
    definition.pop("required", None)
