"""The registry: who offers what, and clear errors where a name leads nowhere or to two places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pluggy

import emosym_registry.hookspecs as hookspecs
from emosym_registry.components import RegisteredComponent
from emosym_registry.descriptors import Alias, Preset
from emosym_registry.errors import EmosymError, nearest, plural_of, some, unknown
from emosym_registry.lifecycle import Lifecycle
from emosym_registry.plugins import Failure, LoadedPlugin

if TYPE_CHECKING:
    from emosym_registry.cards.reading import Card

ALIAS = "alias:"
"""What a spec writes before a name that can only be an alias's, never an id of a hub."""
_Item = TypeVar("_Item")


def new_manager() -> pluggy.PluginManager:
    """A pluggy manager that knows the hooks of emosym."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _say_nothing(failure: Failure) -> None:
    """Where nobody asked to be told, failures are only recorded."""


@dataclass
class Registry:
    """Who offers what. Make one with :func:`load_registry`.

    ``plugins`` are those that loaded, by id; ``failures`` are of plugins that are not there, of hooks that
    raised and of cards that cannot be read; ``blocked`` says by what a plugin was left out, ``unknown_ids``
    which blocked or allowed ids are of no plugin, each as a sentence.
    """

    manager: pluggy.PluginManager = field(default_factory=new_manager)
    plugins: dict[str, LoadedPlugin] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    blocked: dict[str, str] = field(default_factory=dict)
    unknown_ids: list[str] = field(default_factory=list)
    strict: bool = False
    report: Callable[[Failure], None] = _say_nothing

    @cached_property
    def lifecycle(self) -> Lifecycle:
        """Calls hooks on every plugin: ``registry.lifecycle.run_started(run, spec, resumed=False)``."""
        return Lifecycle(self.manager, self.plugins, self.fail, strict=self.strict)

    @cached_property
    def folders(self) -> Mapping[tuple[str, str, str], Path]:
        """The folder of each alias by kind, component and name, looked up (and refused) when asked for."""
        return _Folders(self)

    @cached_property
    def catalogue(self) -> Mapping[str, Card]:
        """Known plugins by id, installed or not: the cards of this package and of loaded plugins.

        Read on first use; a card that cannot be read is a failure of the plugin that brings it.
        """
        from emosym_registry.cards.catalogue import merged

        return merged(self.plugins.values(), self.fail)

    def fail(self, failure: Failure) -> None:
        """Record a failure and report it; in strict mode it is the error ``plugin.failed``."""
        if self.strict:
            raise EmosymError("plugin.failed", str(failure), hint=failure.hint) from failure.error
        self.failures.append(failure)
        self.report(failure)

    def components(self, kind: str | None = None) -> list[RegisteredComponent]:
        """Components of one kind, or all, sorted by kind, name and plugin."""
        every = (one for plugin in self.plugins.values() for one in plugin.components)
        chosen = [one for one in every if kind in (None, one.spec.kind)]
        return sorted(chosen, key=lambda one: (one.spec.kind, one.spec.name, one.plugin.id))

    def aliases(self) -> Iterator[tuple[LoadedPlugin, Alias]]:
        """Every alias with its plugin."""
        return ((plugin, alias) for plugin in self.plugins.values() for alias in plugin.aliases)

    def presets(self) -> Iterator[tuple[LoadedPlugin, Preset]]:
        """Every preset with its plugin."""
        return ((plugin, preset) for plugin in self.plugins.values() for preset in plugin.presets)

    def commands(self) -> Iterator[tuple[LoadedPlugin, tuple[str, str, str]]]:
        """Every command (name, target, help) with its plugin."""
        return ((plugin, command) for plugin in self.plugins.values() for command in plugin.commands)

    def find(self, kind: str, name: str) -> RegisteredComponent:
        """The component ``name`` (or ``plugin-id/name``) of ``kind``, else the one that had this name formerly.

        Errors: ``spec.unknown-component`` says what there is and what to install,
        ``spec.ambiguous-component`` names the plugins, ``plugin.failed`` is why the plugin that has it did
        not load.
        """
        components = {one.qualified: one for one in self.components(kind)}
        former = {name: one for one in components.values() for name in one.former}
        component = _pick("spec.ambiguous-component", kind, name, components) or _pick(
            "spec.ambiguous-component", kind, name, former
        )
        if component is None:
            raise self._unknown_component(kind, name, components.values())
        return component

    def find_card(self, kind: str, name: str) -> Card | None:
        """The card that has a component, by ``name`` or ``plugin-id/name``; None where none has."""
        plugin_id, _, bare = name.rpartition("/")
        cards = (card for card in self.catalogue.values() if plugin_id in ("", card.plugin))
        return next((card for card in cards if card.provides(kind, bare)), None)

    def find_alias(self, kind: str, component: str, name: str) -> tuple[LoadedPlugin, Alias] | None:
        """The alias that ``model: name`` of a component means, with its plugin; None where it is none.

        ``name`` is ``alias:plugin-id/name`` or ``alias:name``, which can be nothing else, or a bare ``name``, which may as
        well be a folder. Aliases of a component's former name are its own. Errors: ``spec.unknown-alias`` where no
        plugin offers what can be nothing else, or the plugin that ought to is known; ``spec.ambiguous-alias``
        where several offer it; ``spec.unclear-alias`` for ``plugin-id/name`` without ``alias:``, which on another
        machine would be an id of the hub.
        """
        certain, name = name.startswith(ALIAS), name.removeprefix(ALIAS)
        own = [one.spec for one in self.components(kind) if one.spec.name == component]
        names = {component, *(former for spec in own for former in spec.formerly)}
        offered = {
            plugin.qualified(alias.name): (plugin, alias)
            for plugin, alias in self.aliases()
            if alias.kind == kind and alias.component in names
        }
        where = f"{kind} {component}"
        if not certain and name in offered:
            message = f"{where}: model {name!r} is an alias here, and an id of the hub where its plugin is not installed"
            raise EmosymError("spec.unclear-alias", message, hint=f"write {ALIAS}{name}")
        alias = _pick("spec.ambiguous-alias", f"{where}: model", name, offered, prefix=ALIAS)
        plugin_id = name.rpartition("/")[0]
        if alias is not None or not (plugin_id or certain):
            return alias
        others = [one for one in offered if one.startswith(f"{plugin_id}/" if plugin_id else "")]
        missing = self._missing(plugin_id)
        if certain and not missing and plugin_id not in ("", *self.plugins):
            missing = f"no plugin {plugin_id} is installed"
        if certain or missing or others or (plugin_id in self.plugins and plugin_id in self.catalogue):
            raise unknown("spec.unknown-alias", "alias", name, others, hint=missing, where=where)
        return None

    def alias(self, kind: str, component: str, name: str) -> Path | None:
        """The folder that ``model: name`` of a component means; None and errors as :meth:`find_alias`, and as
        :func:`weights_of`."""
        found = self.find_alias(kind, component, name)
        return None if found is None else weights_of(*found)

    def preset(self, name: str) -> Path:
        """The YAML file of a preset, ``name`` or ``plugin-id/name``.

        Errors: ``spec.unknown-preset``, ``spec.ambiguous-preset``.
        """
        presets = {plugin.qualified(preset.name): preset for plugin, preset in self.presets()}
        preset = _pick("spec.ambiguous-preset", "preset", name, presets, prefix="preset:")
        if preset is not None:
            return preset.location
        known = sorted({one.name for one in presets.values()})
        listed = f"presets: {some(known, 20) or 'none installed'}{self._absent()}"
        hint = self._missing(name.rpartition("/")[0]) or listed
        raise unknown("spec.unknown-preset", "preset", name, known, hint=hint)

    def _unknown_component(
        self, kind: str, name: str, components: Iterable[RegisteredComponent]
    ) -> EmosymError:
        """Says what was perhaps meant, and who provides that and how to get it, or what there is instead."""
        plugin_id, _, bare = name.rpartition("/")
        self._raise_failure(plugin_id or bare)  # a plugin of one component often calls both the same
        known = sorted({one.qualified if plugin_id else one.spec.name for one in components})
        carded = [
            f"{card.plugin}/{one.name}" if plugin_id else one.name
            for card in self.catalogue.values()
            for one in card.components
            if one.kind == kind
        ]
        meant = name if name in carded else nearest(name, known) or nearest(name, carded)
        card = None if meant in known else self.find_card(kind, meant)
        if card is None:
            hint = f"installed {plural_of(kind)}: {some(known, 20) or 'none'}{self._absent()}"
        else:
            hint = self._missing(card.plugin, meant) or self._outdated(card, meant)
        return unknown("spec.unknown-component", kind, name, [meant], hint=hint)

    def _outdated(self, card: Card, name: str) -> str:
        version = self.plugins[card.plugin].installed.version
        return f"plugin {card.plugin} {version} has no {name!r}: pip install --upgrade {card.distribution}"

    def _missing(self, id: str, what: str = "") -> str:
        """What to do about a known plugin that is not there, else nothing; ``plugin.failed`` if it failed."""
        self._raise_failure(id)
        if id in self.blocked:
            return f"plugin {id} {what and f'provides {what!r} but '}is blocked by {self.blocked[id]}"
        if id in self.plugins or id not in self.catalogue:
            return ""
        card = self.catalogue[id]
        state = f"provides {what!r}" if what else "is not installed"
        return f"package {card.distribution} {state}: {card.install}"

    def _raise_failure(self, id: str) -> None:
        """Where a plugin did not load, why is the error."""
        for failure in self.failures:
            if failure.plugin.id == id and failure.leaves_out:
                raise EmosymError("plugin.failed", str(failure), hint=failure.hint) from failure.error

    def _absent(self) -> str:
        """Plugins that might have had what was looked for."""
        failed = sorted({failure.plugin.id for failure in self.failures if failure.leaves_out})
        words = f"; blocked plugins: {', '.join(sorted(self.blocked))}" if self.blocked else ""
        return words + (
            f"; plugins that failed to load: {', '.join(failed)} (emosym plugins doctor)" if failed else ""
        )


def weights_of(plugin: LoadedPlugin, alias: Alias) -> Path:
    """The folder of an alias; ``spec.missing-weights`` where the plugin has not what it offers."""
    if not alias.location.exists():
        where = f"{alias.kind} {alias.component}: weights {alias.name!r}"
        message = f"{where} of plugin {plugin.id}: no {alias.location}"
        hint = f"pip install --force-reinstall {plugin.installed.distribution}, or ask its authors"
        raise EmosymError("spec.missing-weights", message, hint=hint)
    return alias.location


class _Folders(Mapping[tuple[str, str, str], Path]):
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, key: tuple[str, str, str]) -> Path:
        folder = self._registry.alias(*key)
        if folder is None:
            raise KeyError(key)
        return folder

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        keys = [(alias.kind, alias.component, alias.name) for _, alias in self._registry.aliases()]
        return iter(dict.fromkeys(keys))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _pick(id: str, what: str, name: str, offered: Mapping[str, _Item], prefix: str = "") -> _Item | None:
    """What a bare or qualified ``name`` means among items by qualified name; error ``id`` for several."""
    matches = [one for one in offered if name in (one, one.partition("/")[2])]
    if len(matches) > 1:
        choices = ", ".join(f"{prefix}{one}" for one in matches)
        message = f"{what} {name!r} is offered by several plugins"
        raise EmosymError(id, message, hint=f"write one of {choices}")
    return offered[matches[0]] if matches else None
