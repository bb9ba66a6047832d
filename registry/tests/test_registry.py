"""One plugin's failure is its own; what is blocked is never imported; names lead to one component or a clear error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emosym_registry import EmosymError, Failure, load_registry
from emosym_registry.discovery import InstalledPlugin

Write = Callable[..., InstalledPlugin]
GOOD = """
@hookimpl
def emosym_components():
    yield ComponentSpec("reward", "good", "collections:OrderedDict", "collections:Counter")
"""
HEARS = "@hookimpl\ndef emosym_run_finished(run, summary):\n    summary['heard'].append(1)\n"
OTHER = GOOD.replace('"good"', '"other"')


@pytest.mark.parametrize(
    ("body", "info", "stage", "cause"),
    [
        ("raise RuntimeError('broken here')", True, "import", "RuntimeError: broken here"),
        ("import a_package_that_is_not_there", True, "import", "a_package_that_is_not_there"),
        ("raise SystemError", True, "import", "SystemError"),
        ("@hookimpl\ndef emosym_component():\n    return []", True, "register", "unknown hook emosym_component"),
        ("@hookimpl\ndef emosym_components(system):\n    return []", True, "register", "system"),
        ("", False, "spec", "the hook emosym_plugin_info is missing"),
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
        ("@hookimpl\ndef emosym_components():\n    yield ComponentSpec('reward', 'a', 'a:B', 'a:C', needs=('jugde',))", True, "spec", "unknown need 'jugde'"),
        ("@hookimpl\ndef emosym_components():\n    yield ComponentSpec('reward', 'a', 'a:B', 'a:C', capabilities=('fast',))", True, "spec", "unknown capability 'fast'"),
        ("@hookimpl\ndef emosym_commands():\n    yield 'make', 'no target', 'help'", True, "spec", "is not (name, target, help)"),
        ("@hookimpl\ndef emosym_cards():\n    yield 'cards'", True, "spec", "must yield Cards, got str"),
        ("@hookimpl\ndef emosym_presets():\n    yield Preset('a/b', 'email', 'b.yaml')", True, "spec", "preset name 'a/b' must have no slash"),
        ("@hookimpl\ndef emosym_aliases():\n    raise ValueError('no aliases today')", True, "spec", "no aliases today"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_recorded_and_leaves_nothing_behind(
    plugin: Write, body: str, info: bool, stage: str, cause: str
) -> None:
    said: list[Failure] = []
    found = [plugin("first", GOOD), plugin("broken", body, info=info), plugin("last", OTHER)]
    registry = load_registry(installed=found, on_failure=said.append)
    assert [component.qualified for component in registry.components("reward")] == [
        "first/good",
        "last/other",
    ]
    assert [failure.plugin.id for failure in registry.failures] == ["broken"]
    assert said == registry.failures
    failure = said[0]
    assert failure.stage == stage
    assert cause in failure.cause
    assert "\n" not in str(failure)
    assert failure.hint
    assert set(registry.plugins) == {"first", "last"}
    assert sorted(name for name, module in registry.manager.list_name_plugin() if module) == ["first", "last"]


def test_a_partial_registration_is_rolled_back_as_a_whole(plugin: Write) -> None:
    body = GOOD + HEARS + "@hookimpl\ndef emosym_presets():\n    yield 'not a preset'\n"
    registry = load_registry(installed=[plugin("broken", body)])
    assert registry.components() == []
    summary: dict[str, object] = {"heard": []}
    registry.lifecycle.run_finished(Path(), summary)
    assert summary == {"heard": []}


def test_hooks_reach_every_plugin(plugin: Write) -> None:
    registry = load_registry(installed=[plugin("a", HEARS), plugin("b", HEARS)])
    heard: list[int] = []
    registry.lifecycle.run_finished(Path(), {"heard": heard})
    assert heard == [1, 1]


def test_strict_mode_makes_the_first_failure_an_error(plugin: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = plugin("broken", "raise RuntimeError('no')")
    with pytest.raises(EmosymError, match=r"plugin broken \(dist-broken 1\.2\) failed at import") as caught:
        load_registry(installed=[broken], strict=True)
    assert caught.value.id == "plugin.failed"
    monkeypatch.setenv("EMOSYM_STRICT_PLUGINS", "1")
    with pytest.raises(EmosymError, match="broken"):
        load_registry(installed=[broken])
    assert load_registry(installed=[broken], strict=False).failures


def test_of_two_packages_with_one_plugin_id_neither_stands_in_for_the_other(plugin: Write) -> None:
    one, two = plugin("same", GOOD, distribution="one"), plugin("same", OTHER, distribution="two")
    registry = load_registry(installed=[one, two, plugin("b", OTHER)])
    assert [component.qualified for component in registry.components()] == ["b/other"]
    assert [(failure.stage, failure.plugin.distribution) for failure in registry.failures] == [
        ("discover", "one"),
        ("discover", "two"),
    ]
    assert registry.failures[1].cause == "one 1.2 has a plugin 'same' too, so neither is loaded"
    with pytest.raises(EmosymError, match="so neither is loaded"):
        registry.find("reward", "same/good")


def test_a_clash_of_names_is_an_error_that_names_both(plugin: Write) -> None:
    registry = load_registry(installed=[plugin("a", GOOD), plugin("b", GOOD)])
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
        installed=[first, second],
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
        installed=[
            plugin("emosym-vlm", "raise RuntimeError('no such driver')"),
            plugin("mine", "raise RuntimeError('x')"),
        ]
    )
    for name in ("qwen-vl", "emosym-vlm/qwen-vl"):
        with pytest.raises(EmosymError, match="no such driver") as caught:
            registry.find("backbone", name)
        assert caught.value.id == "plugin.failed"
    for name in ("mine/anything", "mine"):
        with pytest.raises(EmosymError, match=r"plugin mine .* failed at import"):
            registry.find("backbone", name)


def test_an_unknown_component_says_what_there_is(plugin: Write) -> None:
    registry = load_registry(installed=[plugin("a", GOOD)])
    with pytest.raises(EmosymError, match="unknown reward 'god'; did you mean \"good\"") as caught:
        registry.find("reward", "god")
    assert (caught.value.id, caught.value.hint) == ("spec.unknown-component", "installed rewards: good")


def test_a_missing_target_names_the_package_to_reinstall(plugin: Write) -> None:
    body = GOOD.replace("collections:OrderedDict", "not_there.at_all:Thing").replace(
        "collections:Counter", "collections:Missing"
    )
    one = load_registry(installed=[plugin("a", body)]).find("reward", "good")
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
        yield Alias("backbone", "llava", "tiny", "email", "mime")
    """
    registry = load_registry(installed=[plugin("a", body)])
    assert registry.preset("mine").parts[-3:] == ("email", "presets", "mine.yaml")
    assert registry.alias("backbone", "llava", "tiny").parts[-2:] == ("email", "mime")  # type: ignore[union-attr]
    assert registry.alias("backbone", "other", "tiny") is None
    with pytest.raises(EmosymError, match="unknown preset 'mime'; did you mean \"mine\""):
        registry.preset("mime")


ALIAS = """
@hookimpl
def emosym_aliases():
    yield Alias("backbone", "llava", "tiny", "email", "mime")
"""


def test_weights_of_one_name_from_two_plugins_are_refused_when_they_are_asked_for(plugin: Write) -> None:
    registry = load_registry(
        installed=[plugin("a", ALIAS), plugin("b", ALIAS.replace("llava", "other") + GOOD)]
    )
    assert set(registry.folders) == {("backbone", "llava", "tiny"), ("backbone", "other", "tiny")}
    registry = load_registry(installed=[plugin("a", ALIAS), plugin("b", ALIAS)])
    assert registry.folders.get(("backbone", "llava", "large")) is None
    with pytest.raises(EmosymError, match="backbone llava: model 'tiny' is offered by several") as caught:
        registry.folders.get(("backbone", "llava", "tiny"))
    assert (caught.value.id, caught.value.hint) == (
        "spec.ambiguous-alias",
        "write one of alias:a/tiny, alias:b/tiny",
    )
    assert registry.folders["backbone", "llava", "alias:b/tiny"].name == "mime"
    assert set(registry.folders) == {("backbone", "llava", "tiny")}


def test_an_alias_is_found_by_its_bare_and_by_its_qualified_name(plugin: Write) -> None:
    registry = load_registry(installed=[plugin("a", ALIAS), plugin("b", ALIAS.replace("tiny", "small"))])
    for name in ("tiny", "alias:tiny", "alias:a/tiny"):
        assert registry.alias("backbone", "llava", name) == registry.folders["backbone", "llava", name]
        assert registry.alias("backbone", "llava", name) is not None
        owner, alias = registry.find_alias("backbone", "llava", name)  # type: ignore[misc]
        assert (owner.id, alias.name) == ("a", "tiny")
    with pytest.raises(EmosymError, match="an id of the hub where its plugin is not installed") as caught:
        registry.find_alias("backbone", "llava", "a/tiny")
    assert (caught.value.id, caught.value.hint) == ("spec.unclear-alias", "write alias:a/tiny")


@pytest.mark.parametrize("name", ["owner/tiny", "weights/tiny", "./a/tiny", "/a/tiny", "c/tiny", "large"])
def test_what_is_no_alias_may_be_a_hub_id_or_a_folder(plugin: Write, name: str) -> None:
    registry = load_registry(installed=[plugin("a", ALIAS), plugin("c", GOOD)])
    assert registry.alias("backbone", "llava", name) is None
    assert ("backbone", "llava", name) not in registry.folders
    with pytest.raises(EmosymError, match=f"unknown alias '{name}'") as caught:
        registry.alias("backbone", "llava", f"alias:{name}")
    assert caught.value.id == "spec.unknown-alias"


def test_a_plugin_of_aliases_is_asked_for_one_that_it_has_not(plugin: Write) -> None:
    registry = load_registry(installed=[plugin("a", ALIAS)])
    with pytest.raises(EmosymError, match="backbone llava: unknown alias 'a/tinny'; did you mean") as caught:
        registry.alias("backbone", "llava", "a/tinny")
    assert (caught.value.id, caught.value.hint) == ("spec.unknown-alias", "aliases: a/tiny")
    registry = load_registry(installed=[plugin("emosym-vlm", GOOD)])
    with pytest.raises(EmosymError, match="unknown alias 'emosym-vlm/tiny'") as caught:
        registry.alias("backbone", "llava", "emosym-vlm/tiny")
    assert caught.value.hint == "aliases: none"


def test_a_plugin_of_aliases_that_is_not_there_is_named_with_what_to_do(plugin: Write) -> None:
    absent = load_registry(installed=[])
    blocked = load_registry(installed=[plugin("emosym-tiny", ALIAS)], disabled=["emosym-tiny"])
    for registry, hint in (
        (absent, "package emosym-tiny is not installed: pip install emosym-tiny --find-links dist"),
        (blocked, "plugin emosym-tiny is blocked by --no-plugin"),
    ):
        with pytest.raises(EmosymError, match="unknown alias 'emosym-tiny/tiny'") as caught:
            registry.alias("backbone", "llava", "emosym-tiny/tiny")
        assert (caught.value.id, caught.value.hint) == ("spec.unknown-alias", hint)
        with pytest.raises(EmosymError, match="unknown preset 'emosym-tiny/tiny'") as caught:
            registry.preset("emosym-tiny/tiny")
        assert caught.value.hint == hint
    failed = load_registry(installed=[plugin("emosym-tiny", "raise RuntimeError('no')")], on_failure=print)
    for ask in (
        lambda: failed.alias("backbone", "llava", "emosym-tiny/tiny"),
        lambda: failed.preset("emosym-tiny/tiny"),
    ):
        with pytest.raises(EmosymError, match="plugin emosym-tiny .* failed at import"):
            ask()


def test_weights_in_a_package_that_is_missing_trouble_only_who_wants_them(plugin: Write) -> None:
    lost = ALIAS.replace("email", "nobody_has.this").replace('"tiny"', '"lost"')
    registry = load_registry(installed=[plugin("a", ALIAS), plugin("b", lost)])
    assert registry.folders["backbone", "llava", "tiny"].name == "mime"
    with pytest.raises(EmosymError, match="package 'nobody_has.this' is not installed"):
        registry.folders["backbone", "llava", "lost"]


def test_weights_that_are_not_where_their_plugin_says_are_an_error_that_names_it(plugin: Write) -> None:
    registry = load_registry(installed=[plugin("a", ALIAS.replace("mime", "no/such"))])
    with pytest.raises(EmosymError, match="weights 'tiny' of plugin a: no .*no/such") as caught:
        registry.alias("backbone", "llava", "tiny")
    assert caught.value.id == "spec.missing-weights"
    assert registry.find_alias("backbone", "llava", "tiny") is not None


def test_presets_of_one_name_need_their_plugin(plugin: Write) -> None:
    body = """
    @hookimpl
    def emosym_presets():
        yield Preset("mine", "email", "{id}.yaml")
    """
    registry = load_registry(installed=[plugin(id, body.replace("{id}", id)) for id in ("a", "b")])
    with pytest.raises(EmosymError, match="offered by several plugins") as caught:
        registry.preset("mine")
    assert caught.value.hint == "write one of preset:a/mine, preset:b/mine"
    assert registry.preset("b/mine").name == "b.yaml"


def test_a_plugin_that_asks_for_a_newer_api_is_told_so_before_its_hooks_are_judged(plugin: Write) -> None:
    body = "@hookimpl\ndef emosym_plugin_info():\n    return PluginInfo('x', '1.99', '')\n@hookimpl\ndef emosym_new():\n    pass\n"
    registry = load_registry(
        installed=[plugin("a", body, info=False)], on_failure=lambda failure: None, strict=False
    )
    (failure,) = registry.failures
    assert (failure.stage, failure.hint) == ("version", "pip install --upgrade emosym emosym-registry")


def test_what_a_plugin_prints_on_import_is_kept_out_of_stdout(
    plugin: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_registry(installed=[plugin("talks", "print('good morning')")]).plugins
    assert capsys.readouterr() == ("", "good morning\n")


def test_an_unknown_name_tells_which_plugins_might_have_had_it(plugin: Write) -> None:
    found = [plugin("a", GOOD), plugin("broken", "raise RuntimeError('no')")]
    registry = load_registry(installed=found, on_failure=lambda failure: None, strict=False)
    with pytest.raises(EmosymError, match="unknown reward 'mine'") as caught:
        registry.find("reward", "mine")
    assert "plugins that failed to load: broken (emosym plugins doctor)" in caught.value.hint


def test_an_id_of_no_plugin_is_noticed_where_it_was_meant_to_leave_one_out(plugin: Write) -> None:
    registry = load_registry(installed=[plugin("mine")], disabled=["mien"], only=["mine", "yours"])
    assert registry.unknown_ids == [
        "--no-plugin: no plugin 'mien' is installed; did you mean \"mine\"?",
        "plugins.only: no plugin 'yours' is installed",
    ]


def test_a_target_may_raise_anything(plugin: Write, tmp_path: Path) -> None:
    (tmp_path / "exits_on_import.py").write_text("import sys\nsys.exit('go away')\n")
    body = GOOD.replace("collections:OrderedDict", "exits_on_import:Thing")
    component = load_registry(installed=[plugin("a", body)]).find("reward", "good")
    with pytest.raises(EmosymError, match="exits_on_import:Thing cannot be imported: SystemExit: go away"):
        component.load()


def test_a_config_that_is_no_model_is_refused(plugin: Write) -> None:
    component = load_registry(installed=[plugin("a", GOOD)]).find("reward", "good")
    with pytest.raises(EmosymError, match="config collections:Counter is no pydantic model"):
        component.load_config()


def test_a_component_says_what_it_requires_before_it_is_imported(plugin: Write) -> None:
    body = GOOD.replace('"collections:Counter")', '"collections:Counter", requires=("pluggy>=999",))')
    component = load_registry(installed=[plugin("a", body)]).find("reward", "good")
    with pytest.raises(
        EmosymError, match=r"reward a/good requires pluggy>=999, but .* is installed"
    ) as caught:
        component.load()
    assert caught.value.hint == 'pip install "pluggy>=999"'
