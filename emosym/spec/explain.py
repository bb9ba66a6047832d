"""Where every value of a spec came from, where it differs from another, and whose plugins it uses."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path as FilePath
from typing import Any

from emosym_registry import InstalledPlugin, RegisteredComponent, Registry

from emosym.spec.layers import PRESET, preset_names, read_source
from emosym.spec.model import COMPONENT_LISTS
from emosym.spec.nodes import Node, Origin, Path, bare, leaves, same_component
from emosym.spec.resolved import Resolved, resolve

ABOUT_THE_RUN = frozenset({"emosym", "name", "seed", "plugins", "compute", "trackers"})
"""Sections that say nothing of the method."""
PLACES = frozenset({"root", "path", "url", "head"})
"""Parameters that say where something lies on this machine."""


@dataclass(frozen=True)
class Row:
    """One value and where it was written."""

    path: str
    value: Any
    source: Origin

    @property
    def origin(self) -> str:
        """The source in words."""
        return str(self.source)


@dataclass(frozen=True)
class Deviation(Row):
    """A value that the reference has otherwise; None where it has nothing there."""

    reference: Any


def explain(resolved: Resolved) -> list[Row]:
    """Every value of the spec, in the order of the spec, with where it came from."""
    return [Row(path, value, origin_of(resolved, path)) for path, value in leaves(resolved.data())]


def deviations(resolved: Resolved, registry: Registry, against: str = "paper") -> list[Deviation]:
    """Each value that says something of the method and differs from a reference: a preset (with or without
    ``preset:``) or a file.

    Parameters are compared where both name the same component, with defaults filled in; elsewhere the name is
    what differs. Rewards and metrics are compared by name, whatever their order. :data:`ABOUT_THE_RUN` and
    :data:`PLACES` are left out. The reference's other components need not be installed. Errors: as
    :func:`load_spec`.
    """
    is_preset = against in preset_names(registry) or not (os.path.exists(against) or FilePath(against).suffix)
    source = f"{PRESET}{against}" if is_preset and not against.startswith(PRESET) else against
    shared = {name: offer.qualified for name, offer in resolved.offers.items()}

    def is_ours(path: Path, node: Node) -> bool:
        name = str(node.fields["name"].value)
        return any(same_component(name, one) for at, one in shared.items() if at.partition(".")[0] == path[0])

    reference = resolve(read_source(source, registry), registry, (), is_ours).document(qualified=True)
    return list(_compare(resolved, reference))


def _compare(resolved: Resolved, reference: Mapping[str, Any]) -> Iterator[Deviation]:
    for key, value in resolved.document(qualified=True).items():
        if key in COMPONENT_LISTS:
            yield from _compare_lists(resolved, key, value, reference[key])
        elif key not in ABOUT_THE_RUN:
            yield from _differences(resolved, key, value, reference[key])


def _compare_lists(
    resolved: Resolved, key: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]
) -> Iterator[Deviation]:
    names, others = (sorted(bare(item["name"]) for item in items) for items in (ours, theirs))
    if names != others:
        yield Deviation(key, names, origin_of(resolved, key), others)
    left = list(theirs)
    for place, item in enumerate(ours):
        same = next((other for other in left if same_component(item["name"], other["name"])), None)
        if same is not None:
            left.remove(same)
            yield from _differences(resolved, f"{key}.{place}", item, same)


def _differences(resolved: Resolved, path: str, ours: Any, theirs: Any) -> Iterator[Deviation]:
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        if ours != theirs:
            yield Deviation(path, _brief(ours), origin_of(resolved, path), _brief(theirs))
        return
    if "params" in ours and "params" in theirs and not same_component(ours["name"], theirs["name"]):
        at, names = f"{path}.name", (ours["name"], theirs["name"])
        short = tuple(map(bare, names))
        one, other = names if short[0] == short[1] else short
        yield Deviation(at, one, origin_of(resolved, at), other)
        return
    for key in dict.fromkeys([*ours, *theirs]):
        is_place = path.rpartition(".")[2] == "params" and key in PLACES
        if not is_place and key != "preset" and not (key == "name" and "params" in ours):
            yield from _differences(resolved, f"{path}.{key}", ours.get(key), theirs.get(key))


def _brief(value: Any) -> Any:
    """A component by its name, a stage by its preset, anything else as it is."""
    if isinstance(value, dict) and "params" in value:
        return bare(value["name"])
    return {"preset": value["preset"]} if isinstance(value, dict) and "preset" in value else value


def origin_of(resolved: Resolved, path: str) -> Origin:
    """Where a value came from; one inside a list that was written as a whole came with the list."""
    while path not in resolved.origins and path.rpartition(".")[2].isdecimal():
        path = path.rpartition(".")[0]
    return resolved.origin(path)


@dataclass(frozen=True)
class Use:
    """A component of a spec. ``weights`` is what its ``model`` says, empty where it takes none;
    ``weights_from`` names the plugin that brings them. Licences are empty where nothing here knows them."""

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
