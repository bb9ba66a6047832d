"""The registry: who offers what, and clear errors where a name leads nowhere or to two places."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pluggy

from emosym_registry import hookspecs
from emosym_registry.descriptors import Alias, PluginInfo, Preset
from emosym_registry.discovery import Found
from emosym_registry.errors import EmosymError, did_you_mean
from emosym_registry.lifecycle import Lifecycle
from emosym_registry.offers import Failure, Offer, package_path


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

    ``failures`` are of plugins that are not there and of hooks that raised, ``blocked`` says by what a plugin was left
    out, ``deprecated`` which outdated parts of the plugin API a plugin uses, ``unknown`` which blocked or allowed ids
    are of no plugin, each as a sentence, ``seconds`` how long the import of each light module took.
    """

    manager: pluggy.PluginManager = field(default_factory=new_manager)
    infos: dict[str, PluginInfo] = field(default_factory=dict)
    plugins: dict[str, Found] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)
    aliases: list[tuple[Found, Alias]] = field(default_factory=list)
    presets: list[tuple[Found, Preset]] = field(default_factory=list)
    commands: list[tuple[Found, tuple[str, str, str]]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    blocked: dict[str, str] = field(default_factory=dict)
    deprecated: list[tuple[Found, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    strict: bool = False
    report: Callable[[Failure], None] = _say_nothing

    @cached_property
    def hook(self) -> Lifecycle:
        """Call a lifecycle hook on every plugin: ``registry.hook.emosym_run_started(run=…, spec=…)``."""
        return Lifecycle(self)

    @cached_property
    def folders(self) -> Mapping[tuple[str, str, str], Path]:
        """The folder of each alias by kind, component and name, looked up (and refused) only when it is asked for."""
        return _Folders(self)

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
        # A plugin of one component often calls both the same.
        wanted = {plugin_id} if plugin_id else {self._card_plugin(kind, bare), bare}
        for failure in self.failures:
            if failure.plugin.id in wanted and failure.stage != "run":
                raise EmosymError("plugin.failed", str(failure), hint=failure.hint) from failure.error
        raise EmosymError(
            "spec.unknown-component", self._unknown(kind, name), hint=self._unknown_hint(kind, bare)
        )

    def alias(self, kind: str, component: str, name: str) -> Path | None:
        """The folder that ``model: name`` of a component stands for, or None when no plugin offers it."""
        matches = [
            (owner, alias)
            for owner, alias in self.aliases
            if (alias.kind, alias.component, alias.name) == (kind, component, name)
        ]
        if len(matches) > 1:
            first, second = (owner.id for owner, _ in matches[:2])
            raise EmosymError(
                "spec.ambiguous-alias",
                f"model {name!r} of {kind} {component} is offered by plugins {first} and {second}",
                hint=f"give a folder, or leave one of them out: --no-plugin {second}",
            )
        return next((package_path(alias.package) / alias.path for _, alias in matches), None)

    def preset(self, name: str) -> Path:
        """The YAML file of a preset, ``name`` or ``plugin-id/name``."""
        plugin_id, _, bare = name.rpartition("/")
        matches = [
            (owner, preset)
            for owner, preset in self.presets
            if preset.name == bare and plugin_id in ("", owner.id)
        ]
        if len(matches) > 1:
            raise EmosymError(
                "spec.ambiguous-preset",
                f"preset {name!r} is offered by several plugins",
                hint=f"write one of {', '.join(f'preset:{owner.id}/{bare}' for owner, _ in matches)}",
            )
        for _, preset in matches:
            return package_path(preset.package) / preset.path
        known = sorted(preset.name for _, preset in self.presets)
        raise EmosymError(
            "spec.unknown-preset",
            f"unknown preset {name!r}; {did_you_mean(name, known)}".rstrip("; "),
            hint=f"presets: {', '.join(known) or 'none installed'}{self._absent()}",
        )

    def _unknown(self, kind: str, name: str) -> str:
        known, carded = [offer.spec.name for offer in self.components(kind)], _carded(kind)
        suggestion = (
            ""
            if name.rpartition("/")[2] in carded
            else did_you_mean(name, known) or did_you_mean(name, carded)
        )
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
        return f"installed {kind}s: {', '.join(known) or 'none'}{self._absent()}"

    def _absent(self) -> str:
        """Plugins that might have had what was looked for."""
        failed = sorted({failure.plugin.id for failure in self.failures if failure.stage != "run"})
        words = f"; blocked plugins: {', '.join(sorted(self.blocked))}" if self.blocked else ""
        return words + (
            f"; plugins that failed to load: {', '.join(failed)} (emosym plugins doctor)" if failed else ""
        )

    def _card_plugin(self, kind: str, name: str) -> str | None:
        """Who provides a component, by the catalogue."""
        from emosym_registry.cards import find_card

        card = find_card(kind, name)
        return card.plugin if card is not None else None


class _Folders(Mapping[tuple[str, str, str], Path]):
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, key: tuple[str, str, str]) -> Path:
        folder = self._registry.alias(*key)
        if folder is None:
            raise KeyError(key)
        return folder

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        keys = [(alias.kind, alias.component, alias.name) for _, alias in self._registry.aliases]
        return iter(dict.fromkeys(keys))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _carded(kind: str) -> list[str]:
    """Names of all known components of a kind, installed or not."""
    from emosym_registry.cards import load_cards

    return [one.name for card in load_cards() for one in card.components if one.kind == kind]


def _near(name: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
