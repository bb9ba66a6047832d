"""Which plugins and weights a spec uses, in which version and under which licence."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from emosym_registry import Offer, Registry
from emosym_registry.cards import load_cards

from emosym.spec.resolved import Resolved


@dataclass(frozen=True)
class Use:
    """A component of a spec. ``weights`` is what its ``model`` says, empty where it takes none; ``weights_from`` names the
    plugin that brings them. Licences are empty where nothing here knows them."""

    path: str
    kind: str
    component: str
    plugin: str
    distribution: str
    version: str
    licence: str
    weights: str = ""
    weights_from: str = ""
    weights_licence: str = ""


def uses(resolved: Resolved, registry: Registry) -> list[Use]:
    """Every component that a resolved spec names, in the order of the spec."""
    return [_use(resolved, registry, path, resolved.offers[path]) for path in resolved.configs]


def _use(resolved: Resolved, registry: Registry, path: str, offer: Offer) -> Use:
    model = getattr(resolved.config(path), "model", None)
    weights = model if isinstance(model, str) else ""
    kind, name = offer.spec.kind, offer.spec.name
    alias = next(
        (
            (plugin, alias)
            for plugin, alias in registry.aliases
            if weights and (alias.kind, alias.component, alias.name) == (kind, name, weights)
        ),
        None,
    )
    return Use(
        path=path,
        kind=kind,
        component=name,
        plugin=offer.plugin.id,
        distribution=offer.plugin.distribution,
        version=offer.plugin.version,
        licence=_licence(offer.plugin.id, offer.plugin.distribution),
        weights=weights,
        weights_from=f"{alias[0].id} {alias[0].version}" if alias else "",
        weights_licence=alias[1].licence if alias else "",
    )


def _licence(plugin: str, distribution: str) -> str:
    """By the plugin's card, else by what its package says of itself."""
    for card in load_cards():
        if card.plugin == plugin:
            return card.licence
    try:
        about = metadata.metadata(distribution)
    except metadata.PackageNotFoundError:
        return ""
    return next((str(about[key]) for key in ("License-Expression", "License") if about[key]), "")
