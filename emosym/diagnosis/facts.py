"""What is known of a plugin or a component by its name: what is installed says, else the catalogue's card."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from emosym_registry import EmosymError, Failure, InstalledPlugin, RegisteredComponent, Registry
from emosym_registry.cards import Card, CardComponent
from emosym_registry.errors import unknown

from emosym.diagnosis.parameters import parameters


def look_up(registry: Registry, name: str) -> dict[str, Any]:
    """``plugin`` (or null) and ``components`` that a name stands for; none is an error."""
    for id in _ids(registry):
        if name in (id, _distribution(registry, id)):
            return {"plugin": plugin_facts(registry, id), "components": []}
    before, _, bare = name.rpartition("/")
    components = [
        component_facts(registry, one)
        for one in registry.components()
        if one.spec.name == bare and before in ("", one.spec.kind, one.plugin.id)
    ] or [
        carded_facts(registry, card, one)
        for card in registry.catalogue.values()
        for one in card.components
        if one.name == bare and before in ("", one.kind, card.plugin)
    ]
    if not components:
        raise _unknown(registry, name)
    return {"plugin": None, "components": components}


def plugin_facts(registry: Registry, id: str) -> dict[str, Any]:
    """All that is known of a plugin: what it says of itself where it is installed, and its card."""
    plugin, card, failure = registry.plugins.get(id), registry.catalogue.get(id), _failure(registry, id)
    installed = _installed(registry, id)
    return {
        "id": id,
        "summary": plugin.info.summary if plugin else card.summary if card else "",
        "status": _status(registry, id),
        "distribution": _distribution(registry, id),
        "version": installed.version if installed else None,
        "api_version": plugin.info.api_version if plugin else None,
        "module": _origin(installed.module) if installed else None,
        "failure": {key: getattr(failure, key) for key in ("stage", "cause", "hint")} if failure else None,
        **_card_facts(card, "licence", "hardware", "install"),
        "components": _components(registry, id),
        "aliases": [
            {key: getattr(alias, key) for key in ("kind", "component", "name", "licence")}
            for alias in (plugin.aliases if plugin else ())
        ],
        "presets": [
            {"name": preset.name, "summary": preset.summary} for preset in (plugin.presets if plugin else ())
        ],
        "commands": [
            {"name": name, "summary": summary} for name, _, summary in (plugin.commands if plugin else ())
        ],
    }


def component_facts(registry: Registry, component: RegisteredComponent) -> dict[str, Any]:
    """An installed component with its parameters and aliases."""
    spec, plugin = component.spec, component.plugin
    aliases = [
        {"name": alias.name, "plugin": owner.id, "licence": alias.licence, "summary": alias.summary}
        for owner, alias in registry.aliases()
        if (alias.kind, alias.component) == (spec.kind, spec.name)
    ]
    return {
        "kind": spec.kind,
        "name": spec.name,
        "plugin": plugin.id,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "install": None,
        "summary": spec.summary,
        "target": spec.target,
        "config": spec.config,
        "needs": list(spec.needs),
        "capabilities": list(spec.capabilities),
        "requires": list(spec.requires),
        **_card_facts(registry.catalogue.get(plugin.id), "licence", "hardware"),
        "aliases": aliases,
        "parameters": [asdict(one) for one in parameters(component.load_config())],
    }


def carded_facts(registry: Registry, card: Card, component: CardComponent) -> dict[str, Any]:
    """A component that is only known by a card."""
    failure, blocked = _failure(registry, card.plugin), registry.blocked.get(card.plugin)
    return {
        **asdict(component),
        "plugin": card.plugin,
        "distribution": card.distribution,
        "version": None,
        "status": _status(registry, card.plugin),
        "install": failure.hint if failure else f"blocked by {blocked}" if blocked else card.install,
        **_card_facts(card, "licence", "hardware"),
        "parameters": None,
    }


def _card_facts(card: Card | None, *keys: str) -> dict[str, str | None]:
    return {key: getattr(card, key) if card else None for key in keys}


def _components(registry: Registry, id: str) -> list[dict[str, Any]]:
    words = ("needs", "capabilities", "requires")
    if id in registry.plugins:
        specs = (one.spec for one in registry.components() if one.plugin.id == id)
        return [
            {"kind": spec.kind, "name": spec.name, "summary": spec.summary}
            | {word: list(getattr(spec, word)) for word in words}
            for spec in specs
        ]
    card = registry.catalogue.get(id)
    return [asdict(one) | {word: [] for word in words} for one in (card.components if card else ())]


def _status(registry: Registry, id: str) -> str:
    failure = _failure(registry, id)
    if id in registry.plugins:
        return "installed"
    if id in registry.blocked:
        return f"blocked by {registry.blocked[id]}"
    return f"failed at {failure.stage}" if failure is not None else "not installed"


def _failure(registry: Registry, id: str) -> Failure | None:
    return next((one for one in registry.failures if one.plugin.id == id and one.leaves_out), None)


def _installed(registry: Registry, id: str) -> InstalledPlugin | None:
    """Where a plugin comes from, whether it loaded or not."""
    plugin, failure = registry.plugins.get(id), _failure(registry, id)
    return plugin.installed if plugin else failure.plugin if failure else None


def _ids(registry: Registry) -> list[str]:
    failed = [failure.plugin.id for failure in registry.failures]
    return list(dict.fromkeys([*registry.plugins, *registry.blocked, *failed, *registry.catalogue]))


def _distribution(registry: Registry, id: str) -> str | None:
    known = _installed(registry, id) or registry.catalogue.get(id)
    return known.distribution if known else None


def _origin(module: str) -> str:
    """The file of a plugin's light module, or its name where there is no file."""
    return getattr(sys.modules.get(module), "__file__", None) or module


def _unknown(registry: Registry, name: str) -> EmosymError:
    known = {(one.spec.kind, one.plugin.id, one.spec.name) for one in registry.components()}
    known |= {
        (one.kind, card.plugin, one.name) for card in registry.catalogue.values() for one in card.components
    }
    if "/" in name:
        whole = {f"{holder}/{bare}" for *holders, bare in known for holder in holders}
    else:
        whole = {*_ids(registry), *(bare for *_, bare in known)}
    hint = "see them with: emosym plugins list, and those that are not installed with: emosym plugins search"
    return unknown("plugin.unknown", "plugin or component", name, sorted(whole), hint=hint)
