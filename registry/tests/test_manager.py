"""One plugin's failure is its own; what is blocked is never imported; names lead to one component or a clear error."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from emosym_registry import EmosymError, Failure, load_registry
from emosym_registry.discovery import Found

Write = Callable[..., Found]
GOOD = """
@hookimpl
def emosym_components():
    yield ComponentSpec("reward", "good", "collections:OrderedDict", "collections:Counter")
"""
OTHER = GOOD.replace('"good"', '"other"')


@pytest.mark.parametrize(
    ("body", "info", "stage", "cause"),
    [
        ("raise RuntimeError('broken here')", True, "import", "RuntimeError: broken here"),
        ("import a_package_that_is_not_there", True, "import", "a_package_that_is_not_there"),
        ("raise SystemError", True, "import", "SystemError"),
        ("@hookimpl\ndef emosym_component():\n    return []", True, "register", "unknown hook emosym_component"),
        ("@hookimpl\ndef emosym_components(system):\n    return []", True, "register", "system"),
        ("", False, "spec", "emosym_plugin_info must return PluginInfo"),
        ("@hookimpl\ndef emosym_plugin_info():\n    return 'me'", False, "spec", "must return PluginInfo"),
        ("@hookimpl\ndef emosym_plugin_info():\n    return PluginInfo('x', '99.0', '')", False, "version", "written for plugin API 99.0"),
        ("@hookimpl\ndef emosym_plugin_info():\n    return PluginInfo('x', '1.99', '')", False, "version", "written for plugin API 1.99"),
        ("@hookimpl\ndef emosym_plugin_info():\n    return PluginInfo('x', 'one', '')", False, "version", "is not 'major.minor'"),
        ("@hookimpl\ndef emosym_components():\n    yield 'reward'", True, "spec", "must yield ComponentSpec, got str"),
        ("@hookimpl\ndef emosym_components():\n    yield ComponentSpec('rewards', 'a', 'a:B', 'a:C')", True, "spec", "unknown kind 'rewards'"),
        ("@hookimpl\ndef emosym_components():\n    yield ComponentSpec('reward', 'A b', 'a:B', 'a:C')", True, "spec", "component name 'A b'"),
        ("@hookimpl\ndef emosym_components():\n    yield ComponentSpec('reward', 'a', 'a.B', 'a:C')", True, "spec", "'a.B' is not of the form"),
        ("@hookimpl\ndef emosym_components():\n    return 3", True, "spec", "not iterable"),
        ("@hookimpl\ndef emosym_components():\n    return [ComponentSpec('reward', 'a', 'a:B', 'a:C')] * 2", True, "spec", "offered twice"),
        ("@hookimpl\ndef emosym_aliases():\n    raise ValueError('no aliases today')", True, "spec", "no aliases today"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_recorded_and_leaves_nothing_behind(
    plugin: Write, body: str, info: bool, stage: str, cause: str
) -> None:
    said: list[Failure] = []
    found = [plugin("first", GOOD), plugin("broken", body, info=info), plugin("last", OTHER)]
    registry = load_registry(found=found, on_failure=said.append)
    assert [offer.qualified for offer in registry.components("reward")] == ["first/good", "last/other"]
    assert [failure.plugin.id for failure in registry.failures] == ["broken"]
    assert said == registry.failures
    failure = said[0]
    assert failure.stage == stage
    assert cause in failure.cause
    assert "\n" not in str(failure)
    assert failure.hint
    assert set(registry.plugins) == set(registry.infos) == {"first", "last"}
    assert sorted(name for name, module in registry.manager.list_name_plugin() if module) == ["first", "last"]


def test_a_partial_registration_is_rolled_back_as_a_whole(plugin: Write) -> None:
    body = (
        GOOD
        + "@hookimpl\ndef emosym_presets():\n    yield 'not a preset'\n@hookimpl\ndef emosym_run_finished(run, summary):\n    return 1\n"
    )
    registry = load_registry(found=[plugin("broken", body)])
    assert registry.components() == []
    assert registry.hook.emosym_run_finished(run=None, summary={}) == []


def test_hooks_reach_every_plugin(plugin: Write) -> None:
    body = "@hookimpl\ndef emosym_run_finished(run, summary):\n    return summary['n']\n"
    registry = load_registry(found=[plugin("a", body), plugin("b", body)])
    assert registry.hook.emosym_run_finished(run=None, summary={"n": 3}) == [3, 3]


def test_strict_mode_makes_the_first_failure_an_error(plugin: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = plugin("broken", "raise RuntimeError('no')")
    with pytest.raises(EmosymError, match=r"plugin broken \(dist-broken 1\.2\) failed at import") as caught:
        load_registry(found=[broken], strict=True)
    assert caught.value.id == "plugin.failed"
    monkeypatch.setenv("EMOSYM_STRICT_PLUGINS", "1")
    with pytest.raises(EmosymError, match="broken"):
        load_registry(found=[broken])
    assert load_registry(found=[broken], strict=False).failures


def test_two_plugins_of_one_id_are_told_apart(plugin: Write) -> None:
    registry = load_registry(
        found=[plugin("same", GOOD, distribution="one"), plugin("same", OTHER, distribution="two")]
    )
    assert [offer.spec.name for offer in registry.components()] == ["good"]
    assert (registry.failures[0].stage, registry.failures[0].plugin.distribution) == ("discover", "two")
    assert "one already has a plugin 'same'" in registry.failures[0].cause


def test_a_clash_of_names_is_an_error_that_names_both(plugin: Write) -> None:
    registry = load_registry(found=[plugin("a", GOOD), plugin("b", GOOD)])
    with pytest.raises(EmosymError, match="offered by several plugins") as caught:
        registry.find("reward", "good")
    assert caught.value.hint == "write one of a/good, b/good"
    assert registry.find("reward", "b/good").plugin.id == "b"


@pytest.mark.parametrize("way", ["flag", "environment", "allow-list"])
def test_a_blocked_plugin_is_not_imported(plugin: Write, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    first, second = plugin("a", GOOD), plugin("b", OTHER)
    if way == "environment":
        monkeypatch.setenv("EMOSYM_DISABLE_PLUGINS", "x, b")
    registry = load_registry(
        found=[first, second],
        disabled=["b"] if way == "flag" else [],
        only=["a"] if way == "allow-list" else None,
    )
    assert second.module not in sys.modules
    assert first.module in sys.modules
    names = {"flag": "--no-plugin", "environment": "EMOSYM_DISABLE_PLUGINS", "allow-list": "plugins.only"}
    assert registry.blocked == {"b": names[way]}
    with pytest.raises(EmosymError, match="unknown reward 'other'") as caught:
        registry.find("reward", "other")
    assert "blocked plugins: b" in caught.value.hint


def test_the_recorded_cause_is_the_error_when_the_run_names_the_plugin(plugin: Write) -> None:
    registry = load_registry(
        found=[
            plugin("emosym-vlm", "raise RuntimeError('no such driver')"),
            plugin("mine", "raise RuntimeError('x')"),
        ]
    )
    for name in ("qwen-vl", "emosym-vlm/qwen-vl"):
        with pytest.raises(EmosymError, match="no such driver") as caught:
            registry.find("backbone", name)
        assert caught.value.id == "plugin.failed"
    with pytest.raises(EmosymError, match=r"plugin mine .* failed at import"):
        registry.find("backbone", "mine/anything")


def test_an_unknown_component_says_what_there_is(plugin: Write) -> None:
    registry = load_registry(found=[plugin("a", GOOD)])
    with pytest.raises(EmosymError, match="unknown reward 'god'; did you mean \"good\"") as caught:
        registry.find("reward", "god")
    assert (caught.value.id, caught.value.hint) == ("spec.unknown-component", "installed rewards: good")


def test_a_missing_target_names_the_package_to_reinstall(plugin: Write) -> None:
    body = GOOD.replace("collections:OrderedDict", "not_there.at_all:Thing").replace(
        "collections:Counter", "collections:Missing"
    )
    one = load_registry(found=[plugin("a", body)]).find("reward", "good")
    with pytest.raises(
        EmosymError, match=r"reward a/good: not_there\.at_all:Thing cannot be imported"
    ) as caught:
        one.load()
    assert caught.value.hint == "reinstall or report dist-a 1.2"
    with pytest.raises(EmosymError, match="Missing"):
        one.load_config()


def test_presets_and_aliases_lead_to_files_without_importing(plugin: Write) -> None:
    body = """
    @hookimpl
    def emosym_presets():
        yield Preset("mine", "email", "presets/mine.yaml")

    @hookimpl
    def emosym_aliases():
        yield Alias("backbone", "llava", "tiny", "email", "weights/llava")
    """
    registry = load_registry(found=[plugin("a", body)])
    assert registry.preset("mine").parts[-3:] == ("email", "presets", "mine.yaml")
    assert registry.alias("backbone", "llava", "tiny").parts[-3:] == ("email", "weights", "llava")  # type: ignore[union-attr]
    assert registry.alias("backbone", "other", "tiny") is None
    with pytest.raises(EmosymError, match="unknown preset 'mime'; did you mean \"mine\""):
        registry.preset("mime")
