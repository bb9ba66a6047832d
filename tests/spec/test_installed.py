"""Specs and the JSON Schema with the plugins that are installed, and with some that are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from emosym_registry import (
    API_VERSION,
    Alias,
    ComponentSpec,
    InstalledPlugin,
    LoadedPlugin,
    PluginInfo,
    RegisteredComponent,
    Registry,
    load_registry,
)
from emosym_registry.discovery import discover
from jsonschema import Draft202012Validator

from emosym.spec import SpecErrors, load_spec, plugins_only, schema
from emosym.spec.nodes import Origin
from emosym.spec.template import new_spec
from emosym.spec.text import read_file

Write = Callable[..., Path]
CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))
CHILD = "emosym: 1\nextends: preset:tiny\nname: a\n"


@pytest.fixture(scope="module")
def installed() -> Registry:
    return load_registry(strict=True)


@pytest.fixture(scope="module")
def validator(installed: Registry) -> Draft202012Validator:
    document = schema(installed)
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


def plain(path: Path) -> Any:
    """What an editor would check against the schema."""
    return read_file(path, Origin("file", str(path))).plain()


@pytest.mark.parametrize("config", [path for path in CONFIGS if "emosym:" in path.read_text()], ids=str)
def test_the_schema_accepts_every_config(validator: Draft202012Validator, config: Path) -> None:
    validator.validate(plain(config))


def test_the_schema_accepts_presets_new_specs_and_complete_ones(
    validator: Draft202012Validator, installed: Registry, write: Write
) -> None:
    for _, preset in installed.presets():
        validator.validate(plain(installed.preset(preset.name)))
        validator.validate(load_spec(f"preset:{preset.name}", registry=installed).document())
        for full in (True, False):
            validator.validate(plain(write(new_spec(preset.name, "a", installed, full=full))))


@pytest.mark.parametrize(
    "text",
    [
        "seed: null\n",
        "backbone: llava\n",
        "backbone: {params: {adapter: {rank: 2}}}\n",
        "backbone: {name: emosym-vlm/llava, params: {adapter: null}}\n",
        "rewards: [label, {name: wheel, weight: 2}]\n",
        "labels: binary\nrewards: [label]\nmetrics: [accuracy]\n",
        "knowledge: null\nmemory: null\nstages: {reinforce: null, unify: {refresh: null}}\n",
        "data: {params: {train: null, test: 1e3}}\n",
        "stages: {unify: {lr: {fusion: null}, refresh: {tolerance: null}}}\n",
        "plugins: {only: null}\n",
    ],
)
def test_both_take_what_a_spec_may_say(
    validator: Draft202012Validator, installed: Registry, write: Write, text: str
) -> None:
    path = write(CHILD + text)
    load_spec(path, registry=installed)
    validator.validate(plain(path))


@pytest.mark.parametrize(
    "text",
    [
        "sead: 3\n",
        "seed: lots\n",
        "seed: -1\n",
        "seed: true\n",
        "seed: '3'\n",
        "labels: mikels\n",
        "labels: [a, a]\n",
        "backbone: qwen-vll\n",
        "backbone: {name: grpo}\n",
        "backbone: {name: llava, model: tiny}\n",
        "backbone: {name: llava, params: {pixels: 3}}\n",
        "backbone: {name: llava, params: {adapter: {rank: 0}}}\n",
        "backbone: {params: {adpter: null}}\n",
        "rewards: {label: 1}\n",
        "rewards: [{name: label, weight: -1}]\n",
        "rewards: [{name: wheel, params: {temperature: 1}}]\n",
        "judges: {reward: sql}\n",
        "judges: {evalute: image-classifier}\n",
        "optim: {schedule: cosin}\n",
        "optim: {lr: 0}\n",
        "compute: 3\n",
        "stages: {compress: {preset: papr}}\n",
        "stages: {reinforce: {share_prefix: no}}\n",
        "stages: {unify: {train: [tokens, heads]}}\n",
        "stages: {unify: {lr: {fuson: 1}}}\n",
        "stages: {unify: {refresh: {every: 0.5}}}\n",
        "metrics: [acuracy]\n",
        "plugins: {only: emosym-vlm}\n",
        "extends: 3\n",
        "emosym: 2\n",
        "name: a b\n",
    ],
)
def test_both_refuse_what_has_the_wrong_shape(
    validator: Draft202012Validator, installed: Registry, write: Write, text: str
) -> None:
    key = text.partition(":")[0]
    kept = [line for line in CHILD.splitlines() if not line.startswith(f"{key}:")]
    path = write("\n".join(kept) + f"\n{text}")
    with pytest.raises(SpecErrors) as caught:
        load_spec(path, registry=installed)
    assert all(problem.line == len(kept) + 1 for problem in caught.value.problems)
    assert not validator.is_valid(plain(path))


def without(id: str, module: str = "") -> Registry:
    """What is installed without one plugin, or with it broken."""
    found = [one for one in discover() if one.id != id]
    broken = [type(one)(one.id, module, one.distribution, one.version) for one in discover() if one.id == id]
    return load_registry(installed=[*found, *(broken if module else [])], strict=False)


@pytest.mark.parametrize(
    ("registry", "words"),
    [
        (
            lambda: without("emosym-vlm"),
            "unknown backbone 'llava'; package emosym-vlm provides 'llava': pip install emosym-vlm",
        ),
        (
            lambda: load_registry(disabled=["emosym-vlm"]),
            "unknown backbone 'llava'; plugin emosym-vlm provides 'llava' but is blocked by --no-plugin",
        ),
        (
            lambda: load_registry(only=[one.id for one in discover() if one.id != "emosym-vlm"]),
            "unknown backbone 'llava'; plugin emosym-vlm provides 'llava' but is blocked by plugins.only",
        ),
        (
            lambda: without("emosym-vlm", "no_such_module"),
            "failed at import: its entry point names module 'no_such_module'",
        ),
    ],
    ids=["not installed", "blocked", "not allowed", "failed"],
)
def test_a_component_that_is_not_there_is_explained_at_its_place(
    registry: Callable[[], Registry], words: str, write: Write
) -> None:
    path = write(CHILD + "backbone: {name: llava}\n")
    with pytest.raises(SpecErrors) as caught:
        load_spec(path, registry=registry())
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(f"{path}:4:18 backbone.name: ")
    assert words in str(caught.value)


def test_a_preset_of_a_plugin_that_is_not_installed_is_named(write: Write) -> None:
    path = write(CHILD)
    with pytest.raises(SpecErrors) as caught:
        load_spec(path, registry=without("emosym-tiny"))
    assert str(caught.value).startswith(f"{path}:2:10 extends: unknown preset 'tiny'")


@pytest.mark.parametrize(
    ("sets", "only"),
    [
        ([], ["a", "b"]),
        (["plugins.only=[c]"], ["c"]),
        (["plugins.only.1=c"], ["a", "c"]),
        (["plugins={only: [c]}"], ["c"]),
        (["plugins=null"], None),
        (["seed=3", "nonsense=1"], ["a", "b"]),
    ],
)
def test_overrides_change_the_allow_list_before_any_plugin_loads(
    write: Write, sets: list[str], only: list[str] | None
) -> None:
    assert plugins_only(write("emosym: 1\nplugins: {only: [a, b]}\n"), sets) == only


def test_a_file_that_takes_the_allow_list_away_is_heard(write: Write) -> None:
    write("emosym: 1\nplugins: {only: [a]}\n", "low.yaml")
    assert plugins_only(write("emosym: 1\nextends: low.yaml\nplugins: null\n")) is None
    assert plugins_only(write("emosym: 1\nextends: low.yaml\nplugins: {}\n")) == ["a"]


def test_a_preset_may_not_have_an_allow_list(
    registry: Registry, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = registry.preset("base").read_text()
    preset = write(base + "plugins: {only: [spec-example]}\n", "preset.yaml")
    monkeypatch.setattr(type(registry), "preset", lambda self, name: preset)
    path = write("emosym: 1\nextends: preset:base\n")
    with pytest.raises(SpecErrors, match=r"plugins\.only: expected null in a preset, found a list"):
        load_spec(path, registry=registry)
    load_spec(path, registry=registry, sets=["plugins.only=[spec-example]"])


def crowded(components: tuple[ComponentSpec, ...] = (), aliases: tuple[Alias, ...] = ()) -> Registry:
    """The installed plugins and one that offers something by the name of another."""
    registry = load_registry(strict=True)
    third = InstalledPlugin("third", "third.plugin", "emosym-third", "1.0")
    offered = tuple(RegisteredComponent(third, component) for component in components)
    info = PluginInfo("third", API_VERSION, "For tests")
    registry.plugins["third"] = LoadedPlugin(third, info, components=offered, aliases=aliases)
    return registry


def test_a_preset_does_not_mind_a_name_that_another_plugin_offers_too() -> None:
    registry = crowded(components=(ComponentSpec("reward", "label", "third:Label", "third:Config"),))
    resolved = load_spec("preset:tiny", registry=registry)
    assert resolved.offers["rewards.0"].qualified == "emosym-reasoning/label"
    assert "{name: emosym-reasoning/label, weight: 0.6}" in new_spec("tiny", "a", registry)


def test_weights_that_two_plugins_offer_are_found_by_the_check(write: Write) -> None:
    registry = crowded(aliases=(Alias("diffusion", "sd", "tiny", "third", "weights"),))
    path = write(CHILD + "diffusion: {params: {model: tiny}}\n")
    with pytest.raises(
        SpecErrors, match=r"4:22 diffusion\.params\.model: diffusion sd: model 'tiny' is"
    ) as caught:
        load_spec(path, registry=registry)
    assert len(caught.value.problems) == 1
    assert "alias:emosym-tiny/tiny, alias:third/tiny" in caught.value.problems[0].hint


def test_a_swap_by_name_alone_takes_the_new_components_weights_of_the_same_name() -> None:
    mine = ComponentSpec(
        "backbone", "mine", "third:Mine", "emosym_vlm.config:QwenVLConfig", capabilities=("prefix",)
    )
    weights = Alias("backbone", "mine", "tiny", "emosym_tiny", "weights/qwen-vl")
    swap = ["backbone.name=mine"]
    resolved = load_spec("preset:tiny", registry=crowded((mine,), (weights,)), sets=swap)
    assert resolved.spec.backbone.params["model"] == "alias:third/tiny"
    (note,) = resolved.messages
    assert note.startswith("backbone.params.model was set for 'qwen-vl' (")
    assert note.endswith(") and alias:third/tiny takes its place")
    without = load_spec("preset:tiny", registry=crowded((mine,)), sets=swap)
    (note,) = without.messages
    assert (
        "does not fit 'mine' (backbone mine: unknown alias 'emosym-tiny/tiny'), whose default takes its place"
        in note
    )
    other = replace(weights, name="other")
    with_other = load_spec("preset:tiny", registry=crowded((mine,), (other,)), sets=swap)
    assert with_other.spec.backbone.params["model"] == without.spec.backbone.params["model"]


def test_a_bare_name_for_a_qualified_one_is_no_swap(installed: Registry, write: Write) -> None:
    child = write(CHILD + "data: {name: tiny-world, params: {train: 40}}\n")
    resolved = load_spec(child, registry=installed)
    assert resolved.messages == []
    assert resolved.config("data").model_dump()["seed"] == 11
