"""The JSON Schema, judged by an independent validator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from emosym_registry import Registry
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from emosym.spec import Resolved, schema


@pytest.fixture(scope="module")
def validator(registry: Registry) -> Draft202012Validator:
    document = schema(registry)
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def _base(registry: Registry) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(registry.preset("base").read_text()))


def test_what_loads_fits_the_schema(
    validator: Draft202012Validator, registry: Registry, load: Callable[..., Resolved]
) -> None:
    validator.validate(_base(registry))
    validator.validate(load().data())
    validator.validate({**_base(registry), "trackers": ["wandb", {"name": "mlflow", "params": {"any": [1]}}]})
    validator.validate({"emosym": 1, "extends": "preset:base", "backbone": {"params": {"model": "tiny"}}})


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"sead": 1}, []),
        ({"seed": "x"}, ["seed"]),
        ({"backbone": "qwen-vll"}, ["backbone"]),
        ({"backbone": {"name": "qwen-vll"}}, ["backbone"]),
        ({"backbone": {"name": "llava", "params": {"pixels": 3}}}, ["backbone"]),
        ({"backbone": {"name": "qwen-vl", "params": {"adapter": {"rank": 0}}}}, ["backbone"]),
        ({"backbone": {"name": "qwen-vl", "model": "tiny"}}, ["backbone"]),
        ({"rewards": [{"name": "label", "weight": -1}]}, ["rewards", 0]),
        ({"rewards": [{"name": "grpo"}]}, ["rewards", 0]),
        ({"judges": {"bank": "three"}}, ["judges"]),
        ({"stages": {"compress": {"preset": "papr"}}}, ["stages"]),
        ({"emosym": 2}, ["emosym"]),
        ({"trackers": ["tensorbord"]}, ["trackers", 0]),
        ({"trackers": [{"name": "wandb", "project": "x"}]}, ["trackers", 0]),
    ],
)
def test_what_does_not_load_does_not_fit(
    validator: Draft202012Validator, registry: Registry, change: Any, where: list[Any]
) -> None:
    errors = list(validator.iter_errors({**_base(registry), **change}))
    assert [list(error.absolute_path) for error in errors] == [where]


def test_a_whole_spec_needs_its_sections_and_an_extending_one_does_not(
    validator: Draft202012Validator,
) -> None:
    assert not validator.is_valid({"emosym": 1, "name": "x"})
    assert validator.is_valid({"emosym": 1, "name": "x", "extends": "other.yaml"})
    assert not validator.is_valid({"extends": "other.yaml"})


def test_the_schema_offers_names_and_presets(registry: Registry) -> None:
    document = schema(registry)
    assert "spec-example/llava" in document["$defs"]["component.backbone"]["anyOf"][0]["enum"]
    assert document["properties"]["extends"]["examples"] == [
        "preset:paper", "preset:official", "preset:emosym", "preset:base",
    ]  # fmt: skip
