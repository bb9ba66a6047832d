"""Specs that were saved: what is kept of their components, and what becomes of them when plugins have changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from emosym_registry import Alias, EmosymError, InstalledPlugin, LoadedPlugin, Registry

from emosym.spec import Resolved, SpecErrors, load_spec

Load = Callable[..., Resolved]
Write = Callable[..., Path]
Reload = Callable[..., Resolved]
CHILD = "emosym: 1\nextends: preset:base\n"
EARLIER = {
    "name": "spec-example/qwen-vl", "distribution": "spec-example", "version": "0.9", "written": ["model", "adapter.rank"],
}  # fmt: skip


@pytest.fixture
def again(registry: Registry, write: Write) -> Reload:
    """Load a saved spec whose backbone was something else when it was saved."""

    def again(resolved: Resolved, backbone: dict[str, Any], saved: dict[str, Any], **kwargs: Any) -> Resolved:
        document = resolved.document(qualified=True) | {"backbone": backbone}
        path = write(json.dumps(document), "saved.yaml")
        before = json.loads(json.dumps(resolved.saved))
        return load_spec(path, registry=registry, saved={**before, "backbone": saved}, **kwargs)

    return again


def test_a_qualified_spec_names_plugins_and_loads_to_the_same(
    load: Load, write: Write, registry: Registry
) -> None:
    resolved = load(CHILD + "stages: {unify: {lr: {fusion: null}}}\n")
    document = resolved.document(qualified=True)
    assert document["backbone"]["name"] == "spec-example/qwen-vl"
    assert document["rewards"][0]["name"] == "spec-example/label"
    assert document["judges"]["bank"]["name"] == "spec-example/two"
    again = load_spec(write(resolved.to_yaml(qualified=True), "saved.yaml"), registry=registry)
    assert again.configs == resolved.configs
    assert again.document(qualified=True) == document
    assert resolved.document()["backbone"]["name"] == "qwen-vl", "the spec itself stays as it was written"


def test_an_alias_is_saved_with_its_plugin(
    load: Load, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = registry.plugins["spec-example"]
    alias = Alias("backbone", "qwen-vl", "tiny", "spec_example", ".")
    monkeypatch.setitem(registry.plugins, "spec-example", replace(plugin, aliases=(alias,)))
    resolved = load()
    assert resolved.document(qualified=True)["backbone"]["params"]["model"] == "alias:spec-example/tiny"
    assert resolved.data()["backbone"]["params"]["model"] == "tiny"
    weights = {"name": "spec-example/tiny", "distribution": "spec-example", "version": "1.0"}
    assert resolved.saved["backbone"]["weights"] == weights
    assert load().saved["compressor"].get("weights") is None


@pytest.fixture
def borrowed(load: Load, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    """A spec whose backbone has its weights from a plugin that has gone since."""
    alias = Alias("backbone", "qwen-vl", "tiny", "spec_example", ".")
    installed = InstalledPlugin("lender", "lender.plugin", "lender-weights", "0.3")
    with monkeypatch.context() as patch:
        info = registry.plugins["spec-example"].info
        patch.setitem(registry.plugins, "lender", LoadedPlugin(installed, info, aliases=(alias,)))
        return load()


@pytest.mark.parametrize("qualified", [True, False])
def test_weights_of_a_plugin_that_is_gone_are_never_looked_for_elsewhere(
    borrowed: Resolved, registry: Registry, tmp_path: Path, qualified: bool
) -> None:
    borrowed.save(tmp_path, qualified=qualified)
    with pytest.raises(SpecErrors) as caught:
        load_spec(tmp_path / "spec.yaml", registry=registry)
    (problem,) = caught.value.problems
    assert (problem.path, problem.message) == (
        "backbone.params.model",
        "backbone qwen-vl: model 'lender/tiny' was saved with lender-weights 0.3, which is not installed: "
        "pip install lender-weights==0.3",
    )
    other = load_spec(tmp_path / "spec.yaml", registry=registry, sets=["backbone.params.model=owner/model"])
    assert other.spec.backbone.params["model"] == "owner/model"
    assert load_spec(tmp_path / "spec.yaml", registry=registry, use=["compressor"]).saved == borrowed.saved


def test_a_qualified_alias_is_refused_without_what_was_saved_too(
    borrowed: Resolved, registry: Registry, write: Write
) -> None:
    with pytest.raises(SpecErrors, match="unknown alias 'lender/tiny'; no plugin lender is installed"):
        load_spec(write(borrowed.to_yaml(qualified=True), "saved.yaml"), registry=registry)


@pytest.mark.parametrize("text", ["{", "[]", '{"backbone": {"name": "a/b"}}'])
def test_what_was_kept_of_components_and_cannot_be_read_is_an_error(
    borrowed: Resolved, registry: Registry, tmp_path: Path, text: str
) -> None:
    borrowed.save(tmp_path)
    (tmp_path / "components.json").write_text(text)
    with pytest.raises(EmosymError, match="components.json cannot be read") as caught:
        load_spec(tmp_path / "spec.yaml", registry=registry)
    assert caught.value.id == "spec.damaged-components"


def test_what_somebody_wrote_is_kept_apart_from_defaults(load: Load) -> None:
    saved = load(sets=("data.params.test=3", "backbone.params.adapter.type=none")).saved
    assert saved["backbone"] == {
        "name": "spec-example/qwen-vl", "distribution": "spec-example", "version": "1.0",
        "written": ["adapter.rank", "adapter.type", "model", "pixels"],
    }  # fmt: skip
    assert saved["data"]["written"] == ["test", "train"]
    assert saved["rewards.1"]["written"] == []
    assert json.loads(json.dumps(saved)) == saved


def test_saving_again_does_not_make_defaults_written(load: Load, write: Write, registry: Registry) -> None:
    first = load(sets=("data.params.test=3",))
    path = write(first.to_yaml(qualified=True), "saved.yaml")
    second = load_spec(path, registry=registry, saved=first.saved, sets=["rewards.1.params.low=0.5"])
    expected = first.saved
    expected["rewards.1"] = {**expected["rewards.1"], "written": ["low"]}
    assert second.saved == expected
    assert second.messages == []
    assert str(second.origins["rewards.1.params.high"]) == "default"


def test_a_plugin_that_is_not_installed_is_named_with_the_version_that_was(
    load: Load, again: Reload, registry: Registry
) -> None:
    saved = {"name": "my-plugin/x", "distribution": "my-plugin", "version": "0.1.0", "written": []}
    with pytest.raises(SpecErrors) as caught:
        again(load(), {"name": "my-plugin/x"}, saved)
    assert [problem.message for problem in caught.value.problems] == [
        "backbone 'my-plugin/x' was saved with my-plugin 0.1.0, which is not installed: pip install my-plugin==0.1.0"
    ]
    swapped = again(load(), {"name": "my-plugin/x"}, saved, sets=["backbone.name=llava"])
    assert swapped.component("backbone") == "llava"


def test_a_component_that_its_plugin_gave_up_is_named_with_the_version_that_had_it(
    load: Load, again: Reload
) -> None:
    with pytest.raises(
        SpecErrors, match=r"saved with spec-example 0\.9, which is installed as 1\.0 and has it no more"
    ):
        again(load(), {"name": "spec-example/gone"}, {**EARLIER, "name": "spec-example/gone"})


def test_a_blocked_plugin_is_said_to_be_blocked(
    load: Load, again: Reload, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.blocked, "my-plugin", "--no-plugin")
    saved = {"name": "my-plugin/x", "distribution": "my-plugin", "version": "0.1.0", "written": []}
    with pytest.raises(SpecErrors, match="blocked plugins: my-plugin") as caught:
        again(load(), {"name": "my-plugin/x"}, saved)
    assert "pip install" not in str(caught.value)


def test_a_default_that_the_installed_version_does_not_know_is_dropped_with_a_note(
    load: Load, again: Reload
) -> None:
    params = {
        "model": "tiny",
        "scale": 3,
        "adapter": {"type": "lora", "rank": 2, "bias": True},
        "limits": {"low": 1},
    }
    resolved = again(load(), {"name": "spec-example/qwen-vl", "params": params}, EARLIER)
    assert resolved.spec.backbone.params == {
        "model": "tiny",
        "adapter": {"type": "lora", "rank": 2},
        "pixels": 512,
    }
    dropped = [message.split(" (")[0] for message in resolved.messages]
    assert sorted(dropped) == [
        f"backbone.params.{key} was a default of spec-example 0.9"
        for key in ("adapter.bias", "limits", "scale")
    ]


def test_a_default_that_the_installed_version_refuses_is_dropped_too(load: Load, again: Reload) -> None:
    params = {"model": "tiny", "pixels": "many", "adapter": {"rank": 2}}
    resolved = again(load(), {"name": "spec-example/qwen-vl", "params": params}, EARLIER)
    assert resolved.config("backbone").pixels == 512
    assert len(resolved.messages) == 1


def test_what_somebody_wrote_is_never_dropped(load: Load, again: Reload) -> None:
    params = {"model": "tiny", "scale": 3, "adapter": {"rank": 0}}
    saved = {**EARLIER, "written": ["scale", "adapter.rank"]}
    backbone = {"name": "spec-example/qwen-vl", "params": params}
    with pytest.raises(SpecErrors) as caught:
        again(load(), backbone, saved)
    rank, scale = sorted(
        f"{problem.path}: {problem.message}; {problem.hint}" for problem in caught.value.problems
    )
    versions = "saved with spec-example 0.9, installed 1.0: pip install spec-example==0.9, or --set"
    assert scale == f"backbone.params.scale: unknown key 'scale'; {versions} backbone.params.scale=null"
    assert rank == (
        f"backbone.params.adapter.rank: expected at least 1, found 0; {versions} backbone.params.adapter.rank=VALUE"
    )
    mended = again(
        load(), backbone, saved, sets=["backbone.params.scale=null", "backbone.params.adapter.rank=3"]
    )
    assert mended.spec.backbone.params["adapter"]["rank"] == 3


def test_a_component_brings_its_parameters_up_to_its_own_version(
    load: Load, again: Reload, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = registry.find("backbone", "qwen-vl").load_config()
    seen: list[str] = []

    def migrate(cls: type, params: dict[str, Any], version: str) -> dict[str, Any]:
        seen.append(version)
        return {"pixels" if key == "side" else key: value for key, value in params.items()}

    monkeypatch.setattr(model, "migrate", classmethod(migrate))
    backbone = {"name": "spec-example/qwen-vl", "params": {"model": "tiny", "side": 7, "old": 1}}
    resolved = again(load(), backbone, {**EARLIER, "written": ["side"]})
    assert seen == ["0.9"]
    assert resolved.config("backbone").pixels == 7
    assert [message.split(" ")[0] for message in resolved.messages] == ["backbone.params.old"]
    assert "pixels" in resolved.saved["backbone"]["written"]
    backbone["params"] = {"model": "tiny"}
    again(load(), backbone, {**EARLIER, "version": "1.0"})
    assert seen == ["0.9"], "the same version has nothing to migrate"


def test_a_migration_that_fails_says_whose_it_is(
    load: Load, again: Reload, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = registry.find("backbone", "qwen-vl").load_config()
    monkeypatch.setattr(model, "migrate", classmethod(lambda cls, params, version: params["missing"]))
    with pytest.raises(
        SpecErrors, match=r"spec-example/qwen-vl 1\.0 cannot take over what 0\.9 saved"
    ) as caught:
        again(load(), {"name": "spec-example/qwen-vl", "params": {"model": "tiny"}}, EARLIER)
    assert caught.value.id == "spec.migration"


def test_what_is_not_used_need_not_be_installed(load: Load, write: Write, registry: Registry) -> None:
    text = load().to_yaml(qualified=True).replace("spec-example/accuracy", "gone/metric")
    text = text.replace("spec-example/two", "gone/judge").replace("spec-example/sql", "gone/bank")
    path = write(text, "saved.yaml")
    with pytest.raises(SpecErrors) as caught:
        load_spec(path, registry=registry)
    assert sorted(problem.path for problem in caught.value.problems) == [
        "judges.bank.name",
        "memory.name",
        "metrics.0.name",
    ]
    resolved = load_spec(path, registry=registry, use=("backbone", "compressor", "judges.evaluate"))
    assert set(resolved.offers) == set(resolved.configs) == {"backbone", "compressor", "judges.evaluate"}
    assert resolved.data()["memory"] == {"name": "gone/bank", "params": {"level": 0.5}}
    assert [metric["name"] for metric in resolved.document(qualified=True)["metrics"]] == ["gone/metric"]


def test_what_was_not_used_is_saved_as_it_was(load: Load, write: Write, registry: Registry) -> None:
    first = load()
    path = write(first.to_yaml(qualified=True), "saved.yaml")
    resolved = load_spec(path, registry=registry, use=("backbone",), saved=first.saved)
    assert resolved.saved == first.saved
    assert resolved.document(qualified=True) == first.document(qualified=True)


def test_the_plugin_of_the_tests_has_the_version_that_they_say(registry: Registry) -> None:
    assert registry.plugins["spec-example"].installed == InstalledPlugin(
        "spec-example", "spec_example.plugin", "spec-example", "1.0"
    )


def test_a_metric_that_is_gone_can_be_gone_without(load: Load, write: Write, registry: Registry) -> None:
    first = load()
    path = write(first.to_yaml(qualified=True).replace("spec-example/accuracy", "gone/metric"), "saved.yaml")
    gone = {"name": "gone/metric", "distribution": "gone", "version": "0.2", "written": []}
    saved: Any = {**first.saved, "metrics.0": gone}
    with pytest.raises(SpecErrors) as caught:
        load_spec(path, registry=registry, saved=saved)
    (problem,) = caught.value.problems
    assert "was saved with gone 0.2, which is not installed: pip install gone==0.2" in problem.message
    assert problem.hint == "or go without it: --set metrics.0=null"
    mended = load_spec(path, registry=registry, saved=saved, sets=["metrics.0=null"])
    assert len(mended.spec.metrics) == len(first.spec.metrics) - 1


def test_a_component_that_was_renamed_is_found_by_its_old_name(
    load: Load, again: Reload, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = registry.plugins["spec-example"]
    components = tuple(
        replace(one, spec=replace(one.spec, formerly=("qwen",))) if one.spec.name == "qwen-vl" else one
        for one in plugin.components
    )
    monkeypatch.setitem(registry.plugins, "spec-example", replace(plugin, components=components))
    saved = {**EARLIER, "name": "spec-example/qwen", "written": ["pixels", "side"]}
    backbone = {"name": "spec-example/qwen", "params": {"model": "tiny", "pixels": 3}}
    resolved = again(load(), backbone, saved)
    assert resolved.config("backbone").pixels == 3
    assert resolved.document(qualified=True)["backbone"]["name"] == "spec-example/qwen-vl"
    assert registry.find("backbone", "qwen").spec.name == "qwen-vl"
    backbone["params"] = {"model": "tiny", "side": 3}
    with pytest.raises(SpecErrors, match="unknown key 'side'; saved with spec-example 0.9, installed 1.0"):
        again(load(), backbone, saved)


def test_what_is_not_used_is_not_brought_up_to_date(
    load: Load, write: Write, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = registry.find("backbone", "qwen-vl").load_config()
    monkeypatch.setattr(model, "migrate", classmethod(lambda cls, params, version: None))
    first = load()
    saved: Any = {**first.saved, "backbone": {**first.saved["backbone"], "version": "0.9"}}
    path = write(first.to_yaml(qualified=True), "saved.yaml")
    load_spec(path, registry=registry, use=("compressor",), saved=saved)
    with pytest.raises(SpecErrors, match="TypeError: migrate returned None, no parameters"):
        load_spec(path, registry=registry, saved=saved)


def test_a_bare_word_that_no_plugin_has_is_a_mistake_of_the_spec(
    load: Load, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.find("backbone", "qwen-vl").load_config(), "hub_models", True)
    for model in ("owner/model", "/no/such/folder"):
        assert load(sets=[f"backbone.params.model={model}"]).spec.backbone.params["model"] == model
    with pytest.raises(
        SpecErrors, match="model 'pocket' is neither an alias of an installed plugin, nor a folder"
    ):
        load(sets=["backbone.params.model=pocket"])


def test_an_alias_of_a_former_name_is_the_components_own(
    load: Load, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = registry.plugins["spec-example"]
    components = tuple(
        replace(one, spec=replace(one.spec, formerly=("qwen",))) if one.spec.name == "qwen-vl" else one
        for one in plugin.components
    )
    alias = Alias("backbone", "qwen", "tiny", "spec_example", ".")
    changed = replace(plugin, aliases=(alias,), components=components)
    monkeypatch.setitem(registry.plugins, "spec-example", changed)
    assert (
        load(sets=["backbone.params.model=alias:tiny"]).saved["backbone"]["weights"]["name"]
        == "spec-example/tiny"
    )
