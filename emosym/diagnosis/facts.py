"""What is known of a plugin or a component by its name: what is installed says, else the catalogue's card."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from emosym_registry import EmosymError, Failure, Offer, Registry, did_you_mean
from emosym_registry.cards import Card, CardComponent, load_cards

from emosym.diagnosis.parameters import parameters


def look_up(registry: Registry, name: str) -> dict[str, Any]:
    """``plugin`` (or null) and ``components`` that a name stands for; none is an error."""
    cards = {card.plugin: card for card in load_cards()}
    id = next((id for id in _ids(registry, cards) if name in (id, _distribution(id, registry, cards))), None)
    if id is not None:
        return {"plugin": plugin_facts(registry, id, cards.get(id)), "components": []}
    before, _, bare = name.rpartition("/")
    offers = [
        offer
        for offer in registry.components()
        if offer.spec.name == bare and before in ("", offer.spec.kind, offer.plugin.id)
    ]
    components = [component_facts(registry, offer, cards) for offer in offers]
    components = components or [
        carded_facts(registry, card, one)
        for card in cards.values()
        for one in card.components
        if one.name == bare and before in ("", one.kind, card.plugin)
    ]
    if not components:
        raise _unknown(registry, cards, name)
    return {"plugin": None, "components": components}


def plugin_facts(registry: Registry, id: str, card: Card | None) -> dict[str, Any]:
    """All that is known of a plugin: what it says of itself where it is installed, and its card."""
    found, info = registry.plugins.get(id), registry.infos.get(id)
    failure = _failure(registry, id)
    found = found or (failure.plugin if failure is not None else None)
    return {
        "id": id,
        "summary": info.summary if info is not None else card.summary if card is not None else "",
        "status": _status(registry, id),
        "distribution": found.distribution if found is not None else card.distribution if card is not None else None,
        "version": found.version if found is not None else None,
        "api_version": info.api_version if info is not None else None,
        "module": _origin(found.module) if found is not None else None,
        "failure": None if failure is None else {"stage": failure.stage, "cause": failure.cause, "hint": failure.hint},
        "licence": card.licence if card is not None else None,
        "hardware": card.hardware if card is not None else None,
        "install": card.install if card is not None else None,
        "components": _components(registry, id, card),
        "aliases": [
            {"kind": alias.kind, "component": alias.component, "name": alias.name, "licence": alias.licence}
            for owner, alias in registry.aliases
            if owner.id == id
        ],
        "presets": [
            {"name": preset.name, "summary": preset.summary} for owner, preset in registry.presets if owner.id == id
        ],
        "commands": [
            {"name": command, "summary": summary}
            for owner, (command, _, summary) in registry.commands
            if owner.id == id
        ],
    }  # fmt: skip


def component_facts(registry: Registry, offer: Offer, cards: dict[str, Card]) -> dict[str, Any]:
    """An installed component with its parameters and aliases."""
    spec, card = offer.spec, cards.get(offer.plugin.id)
    aliases = [
        {"name": alias.name, "plugin": owner.id, "licence": alias.licence, "summary": alias.summary}
        for owner, alias in registry.aliases
        if (alias.kind, alias.component) == (spec.kind, spec.name)
    ]
    return {
        "kind": spec.kind,
        "name": spec.name,
        "plugin": offer.plugin.id,
        "distribution": offer.plugin.distribution,
        "version": offer.plugin.version,
        "install": None,
        "summary": spec.summary,
        "target": spec.target,
        "config": spec.config,
        "capabilities": list(spec.capabilities),
        "requires": list(spec.requires),
        "licence": card.licence if card is not None else None,
        "hardware": card.hardware if card is not None else None,
        "aliases": aliases,
        "parameters": [asdict(one) for one in parameters(offer.load_config())],
    }


def carded_facts(registry: Registry, card: Card, one: CardComponent) -> dict[str, Any]:
    """A component that is only known by a card."""
    failure = _failure(registry, card.plugin)
    blocked = registry.blocked.get(card.plugin)
    return {
        "kind": one.kind,
        "name": one.name,
        "plugin": card.plugin,
        "distribution": card.distribution,
        "version": None,
        "status": _status(registry, card.plugin),
        "install": failure.hint if failure else f"blocked by {blocked}" if blocked else card.install,
        "summary": one.summary,
        "licence": card.licence,
        "hardware": card.hardware,
        "parameters": None,
    }


def _components(registry: Registry, id: str, card: Card | None) -> list[dict[str, Any]]:
    if id in registry.plugins:
        return [
            {
                "kind": spec.kind,
                "name": spec.name,
                "summary": spec.summary,
                "capabilities": list(spec.capabilities),
                "requires": list(spec.requires),
            }
            for spec in (offer.spec for offer in registry.components() if offer.plugin.id == id)
        ]
    listed = card.components if card is not None else ()
    return [{"kind": one.kind, "name": one.name, "summary": one.summary, "capabilities": [], "requires": []} for one in listed]  # fmt: skip


def _status(registry: Registry, id: str) -> str:
    failure = _failure(registry, id)
    if id in registry.plugins:
        return "installed"
    if id in registry.blocked:
        return f"blocked by {registry.blocked[id]}"
    return f"failed at {failure.stage}" if failure is not None else "not installed"


def _failure(registry: Registry, id: str) -> Failure | None:
    return next((one for one in registry.failures if one.plugin.id == id and one.stage != "run"), None)


def _ids(registry: Registry, cards: dict[str, Card]) -> list[str]:
    failed = [failure.plugin.id for failure in registry.failures]
    return list(dict.fromkeys([*registry.plugins, *registry.blocked, *failed, *cards]))


def _distribution(id: str, registry: Registry, cards: dict[str, Card]) -> str | None:
    if id in registry.plugins:
        return registry.plugins[id].distribution
    return cards[id].distribution if id in cards else None


def _origin(module: str) -> str:
    """The file of a plugin's light module, or its name where there is no file."""
    return getattr(sys.modules.get(module), "__file__", None) or module


def _unknown(registry: Registry, cards: dict[str, Card], name: str) -> EmosymError:
    known = {(offer.spec.kind, offer.plugin.id, offer.spec.name) for offer in registry.components()}
    known |= {(one.kind, card.plugin, one.name) for card in cards.values() for one in card.components}
    if "/" in name:
        whole = {f"{holder}/{bare}" for *holders, bare in known for holder in holders}
    else:
        whole = {*_ids(registry, cards), *(bare for *_, bare in known)}
    suggestion = did_you_mean(name, sorted(whole))
    return EmosymError(
        "plugin.unknown",
        f"no plugin and no component is called {name!r}" + (f"; {suggestion}" if suggestion else ""),
        hint="see them with: emosym plugins list, and those that are not installed with: emosym plugins search",
    )
