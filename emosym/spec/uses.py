"""Which plugins and weights a spec uses, in which version and under which licence."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from emosym_registry import InstalledPlugin, RegisteredComponent, Registry

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


def _use(resolved: Resolved, registry: Registry, path: str, offer: RegisteredComponent) -> Use:
    model = getattr(resolved.config(path), "model", None)
    weights = model if isinstance(model, str) else ""
    kind, name = offer.spec.kind, offer.spec.name
    alias = registry.find_alias(kind, name, weights) if weights else None
    return Use(
        path=path,
        kind=kind,
        component=name,
        plugin=offer.plugin.id,
        distribution=offer.plugin.distribution,
        version=offer.plugin.version,
        licence=_licence(registry, offer.plugin),
        weights=weights,
        weights_from=f"{alias[0].id} {alias[0].installed.version}" if alias else "",
        weights_licence=alias[1].licence if alias else "",
    )


def _licence(registry: Registry, plugin: InstalledPlugin) -> str:
    """By the plugin's card, else by what its package says of itself."""
    if plugin.id in registry.catalogue:
        return registry.catalogue[plugin.id].licence
    try:
        about = metadata.metadata(plugin.distribution)
    except metadata.PackageNotFoundError:
        return ""
    return next((str(about[key]) for key in ("License-Expression", "License") if about[key]), "")
