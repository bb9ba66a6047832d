"""Loading plugins, each on its own: one that fails is recorded and never stops another."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy

from emosym_registry import hookspecs
from emosym_registry.descriptors import API_VERSION, Alias, ComponentSpec, PluginInfo, Preset
from emosym_registry.discovery import Found, discover
from emosym_registry.errors import EmosymError, did_you_mean


@dataclass(frozen=True)
class Failure:
    """Why a plugin is not there. ``stage``: discover, import, register, spec or version."""

    plugin: Found
    stage: str
    cause: str
    hint: str
    error: BaseException | None = None

    def __str__(self) -> str:
        return f"plugin {self.plugin.id} ({self.plugin.distribution} {self.plugin.version}) failed at {self.stage}: {self.cause}"


@dataclass(frozen=True)
class Offer:
    """A component and the plugin that offers it."""

    plugin: Found
    spec: ComponentSpec

    @property
    def qualified(self) -> str:
        return f"{self.plugin.id}/{self.spec.name}"

    def load(self) -> Any:
        """Import the implementation class."""
        return self._import(self.spec.target)

    def load_config(self) -> Any:
        """Import the pydantic model of the component's parameters (no torch)."""
        return self._import(self.spec.config)

    def load_conformance(self) -> Any:
        """Import the conformance suite that the component names."""
        return self._import(self.spec.conformance)

    def _import(self, target: str) -> Any:
        module, _, name = target.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise EmosymError(
                "plugin.missing-target",
                f"{self.spec.kind} {self.qualified}: {target} cannot be imported: {error}",
                hint=f"reinstall or report {self.plugin.distribution} {self.plugin.version}",
            ) from error


class _StagedError(Exception):
    def __init__(self, stage: str, cause: str, hint: str) -> None:
        super().__init__(cause)
        self.stage, self.cause, self.hint = stage, cause, hint


@dataclass
class Registry:
    """Who offers what. Make one with :func:`load_registry`."""

    manager: pluggy.PluginManager
    infos: dict[str, PluginInfo] = field(default_factory=dict)
    plugins: dict[str, Found] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    aliases: list[tuple[Found, Alias]] = field(default_factory=list)
    presets: list[tuple[Found, Preset]] = field(default_factory=list)
    commands: list[tuple[Found, tuple[str, str, str]]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    blocked: dict[str, str] = field(default_factory=dict)

    @property
    def hook(self) -> Any:
        """Call a lifecycle hook on every plugin: ``registry.hook.emosym_run_started(run=…, spec=…)``."""
        return self.manager.hook

    def components(self, kind: str | None = None) -> list[Offer]:
        """Offers of one kind, or all, sorted by kind, name and plugin."""
        chosen = [offer for offer in self.offers if kind in (None, offer.spec.kind)]
        return sorted(chosen, key=lambda offer: (offer.spec.kind, offer.spec.name, offer.plugin.id))

    def find(self, kind: str, name: str) -> Offer:
        """The component ``name`` (or ``plugin-id/name``) of ``kind``; errors say what exists and what to install."""
        plugin_id, _, bare = name.rpartition("/")
        named = [offer for offer in self.components(kind) if offer.spec.name == bare]
        matches = [offer for offer in named if plugin_id in ("", offer.plugin.id)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            choices = ", ".join(offer.qualified for offer in matches)
            raise EmosymError(
                "spec.ambiguous-component",
                f"{kind} {name!r} is offered by several plugins",
                hint=f"write one of {choices}",
            )
        for failure in self.failures:
            if failure.plugin.id == plugin_id or (
                not plugin_id and not named and failure.stage != "discover"
            ):
                known = self._card_plugin(kind, bare)
                if failure.plugin.id in (plugin_id, known):
                    raise EmosymError("plugin.failed", str(failure), hint=failure.hint) from failure.error
        raise EmosymError(
            "spec.unknown-component", self._unknown(kind, name), hint=self._unknown_hint(kind, bare)
        )

    def alias(self, kind: str, component: str, name: str) -> Path | None:
        """The folder that ``model: name`` of a component stands for, or None when no plugin offers it."""
        for _, alias in self.aliases:
            if (alias.kind, alias.component, alias.name) == (kind, component, name):
                return package_path(alias.package) / alias.path
        return None

    def preset(self, name: str) -> Path:
        """The YAML file of a preset."""
        for _, preset in self.presets:
            if preset.name == name:
                return package_path(preset.package) / preset.path
        known = sorted(preset.name for _, preset in self.presets)
        raise EmosymError(
            "spec.unknown-preset",
            f"unknown preset {name!r}; {did_you_mean(name, known)}".rstrip("; "),
            hint=f"presets: {', '.join(known) or 'none installed'}",
        )

    def _unknown(self, kind: str, name: str) -> str:
        known = [offer.spec.name for offer in self.components(kind)]
        suggestion = did_you_mean(name, known) or did_you_mean(name, _carded(kind))
        return f"unknown {kind} {name!r}" + (f"; {suggestion}" if suggestion else "")

    def _unknown_hint(self, kind: str, name: str) -> str:
        """Who provides it (or what was perhaps meant) and how to get it, or what there is instead."""
        from emosym_registry.cards import find_card

        known = sorted({offer.spec.name for offer in self.components(kind)})
        near = [] if _near(name, known) else _near(name, _carded(kind))
        for meant in (name, *near):
            card = find_card(kind, meant)
            if card is None:
                continue
            if card.plugin in self.blocked:
                return (
                    f"plugin {card.plugin} provides {meant!r} but is blocked by {self.blocked[card.plugin]}"
                )
            if card.plugin not in self.plugins:
                return f"package {card.distribution} provides {meant!r}: {card.install}"
            version = self.plugins[card.plugin].version
            return (
                f"plugin {card.plugin} {version} has no {meant!r}: pip install --upgrade {card.distribution}"
            )
        blocked = f"; blocked plugins: {', '.join(sorted(self.blocked))}" if self.blocked else ""
        return f"installed {kind}s: {', '.join(known) or 'none'}{blocked}"

    def _card_plugin(self, kind: str, name: str) -> str | None:
        """Who provides a component, by the catalogue."""
        from emosym_registry.cards import find_card

        card = find_card(kind, name)
        return card.plugin if card is not None else None


def _carded(kind: str) -> list[str]:
    """Names of all known components of a kind, installed or not."""
    from emosym_registry.cards import load_cards

    return [one.name for card in load_cards() for one in card.components if one.kind == kind]


def _near(name: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)


def package_path(package: str) -> Path:
    """The folder of an importable package, without importing the package itself."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmosymError("plugin.missing-package", f"package {package!r} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def load_registry(
    *,
    only: Iterable[str] | None = None,
    disabled: Iterable[str] = (),
    strict: bool | None = None,
    found: Iterable[Found] | None = None,
    on_failure: Callable[[Failure], None] | None = None,
) -> Registry:
    """Discover, import and register plugins.

    ``only`` is an allow-list of plugin ids, ``disabled`` (with ``EMOSYM_DISABLE_PLUGINS``, comma separated) a block-list;
    a blocked plugin is not imported. ``strict`` (or ``EMOSYM_STRICT_PLUGINS=1``) makes the first failure an error.
    """
    strict = os.environ.get("EMOSYM_STRICT_PLUGINS") == "1" if strict is None else strict
    variable = [word.strip() for word in os.environ.get("EMOSYM_DISABLE_PLUGINS", "").split(",")]
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    allowed = None if only is None else set(only)
    for plugin in discover() if found is None else found:
        if plugin.id in variable:
            registry.blocked[plugin.id] = "EMOSYM_DISABLE_PLUGINS"
        elif plugin.id in set(disabled):
            registry.blocked[plugin.id] = "--no-plugin"
        elif allowed is not None and plugin.id not in allowed:
            registry.blocked[plugin.id] = "plugins.only"
        else:
            _load_one(registry, plugin, strict, on_failure)
    return registry


def _load_one(
    registry: Registry, plugin: Found, strict: bool, on_failure: Callable[[Failure], None] | None
) -> None:
    try:
        _register(registry, plugin)
    except Exception as error:  # a plugin may raise anything; the others must go on
        if registry.manager.has_plugin(plugin.id):
            registry.manager.unregister(name=plugin.id)
        staged = (
            error
            if isinstance(error, _StagedError)
            else _StagedError("register", _first_line(error), "report it to its authors")
        )
        failure = Failure(plugin, staged.stage, staged.cause, staged.hint, error.__cause__ or error)
        if strict:
            raise EmosymError("plugin.failed", str(failure), hint=failure.hint) from error
        registry.failures.append(failure)
        if on_failure is not None:
            on_failure(failure)


def _register(registry: Registry, plugin: Found) -> None:
    if plugin.id in registry.plugins:
        other = registry.plugins[plugin.id].distribution
        raise _StagedError(
            "discover", f"{other} already has a plugin {plugin.id!r}", "uninstall one of the two"
        )
    try:
        module = plugin.load()
    except Exception as error:
        raise _StagedError(
            "import",
            f"{type(error).__name__}: {_first_line(error)}",
            f"pip install --upgrade {plugin.distribution}, or uninstall it",
        ) from error
    _check_hooks(module)
    try:
        registry.manager.register(module, name=plugin.id)
    except pluggy.PluginValidationError as error:
        cause = "; ".join(str(error).split("\n")[1:]) or str(error)
        raise _StagedError(
            "register", cause, "the arguments of each hook are in emosym_registry.hookspecs"
        ) from error
    info = _own(registry, plugin, "emosym_plugin_info")
    if not isinstance(info, PluginInfo):
        raise _StagedError(
            "spec", "emosym_plugin_info must return PluginInfo", "see the plugin author's page"
        )
    _check_version(info)
    components = _list_of(registry, plugin, "emosym_components", ComponentSpec)
    names = [(spec.kind, spec.name) for spec in components]
    for twice in {name for name in names if names.count(name) > 1}:
        raise _StagedError("spec", f"{twice[0]} {twice[1]!r} is offered twice", "rename one of them")
    aliases = _list_of(registry, plugin, "emosym_aliases", Alias)
    presets = _list_of(registry, plugin, "emosym_presets", Preset)
    commands = _list_of(registry, plugin, "emosym_commands", tuple)
    registry.plugins[plugin.id] = plugin
    registry.infos[plugin.id] = info
    registry.offers += [Offer(plugin, spec) for spec in components]
    registry.aliases += [(plugin, alias) for alias in aliases]
    registry.presets += [(plugin, preset) for preset in presets]
    registry.commands += [(plugin, command) for command in commands]


def _check_hooks(module: Any) -> None:
    known = {name for name in vars(hookspecs) if name.startswith("emosym_")}
    for name in _hook_names(module):
        if name not in known:
            hint = did_you_mean(name, known) or f"hooks: {', '.join(sorted(known))}"
            raise _StagedError("register", f"unknown hook {name}", hint)


def _hook_names(module: Any) -> Iterator[str]:
    for name, value in vars(module).items():
        if getattr(value, f"{hookspecs.PROJECT}_impl", None) is not None:
            yield name


def _check_version(info: PluginInfo) -> None:
    try:
        wanted = tuple(int(part) for part in info.api_version.split("."))
    except ValueError as error:
        raise _StagedError(
            "version", f"api_version {info.api_version!r} is not 'major.minor'", "fix it"
        ) from error
    ours = tuple(int(part) for part in API_VERSION.split("."))
    if wanted[0] != ours[0] or wanted > ours:
        older = "emosym-registry" if wanted > ours else "the plugin"
        raise _StagedError(
            "version", f"written for plugin API {info.api_version}, this is {API_VERSION}", f"upgrade {older}"
        )


def _own(registry: Registry, plugin: Found, hook: str) -> Any:
    """Call one hook of one plugin alone."""
    others = [
        other
        for name, other in registry.manager.list_name_plugin()
        if name != plugin.id and other is not None
    ]
    try:
        results = registry.manager.subset_hook_caller(hook, remove_plugins=others)()
        found = results[0] if results else None
        return found if found is None or isinstance(found, PluginInfo) else list(found)
    except Exception as error:  # what a plugin's own hook raises
        raise _StagedError(
            "spec", f"{hook}: {_first_line(error)}", f"report it to the authors of {plugin.distribution}"
        ) from error


def _list_of(registry: Registry, plugin: Found, hook: str, kind: type) -> list[Any]:
    items = _own(registry, plugin, hook) or []
    for item in items:
        if not isinstance(item, kind):
            raise _StagedError(
                "spec",
                f"{hook} must yield {kind.__name__}, got {type(item).__name__}",
                "see the plugin author's page",
            )
    return list(items)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
