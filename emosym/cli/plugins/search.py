"""``emosym plugins search``: what there is for a purpose, installed or not."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emosym.cli.columns import columns
from emosym.cli.common import JsonOption, registry_for

if TYPE_CHECKING:
    from emosym_registry import LoadedPlugin, Registry
    from emosym_registry.cards import Card, CardComponent


def search_plugins(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORD", help="All of them must occur, in the plugin or in a component of it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search all known plugins and their components, also those that are not installed."""
    registry = registry_for(context.obj)
    found = matches(known(registry), words or [])
    if as_json:
        print(json.dumps([as_dict(card, components, registry) for card, components in found], indent=2))
    elif found:
        _print_table(found, registry, by_component=bool(words))
    else:
        print(f"nothing matches {' '.join(words or [])!r}")
        print("  fewer words find more; without any, all known plugins are listed", file=sys.stderr)


def known(registry: Registry) -> list[Card]:
    """The catalogue's cards, and for an installed plugin without one what it says of itself."""
    own = (_card(plugin) for id, plugin in sorted(registry.plugins.items()) if id not in registry.catalogue)
    return [*registry.catalogue.values(), *own]


def _card(plugin: LoadedPlugin) -> Card:
    from emosym_registry.cards import Card, CardComponent

    distribution = plugin.installed.distribution
    return Card(
        plugin=plugin.id,
        distribution=distribution,
        summary=plugin.info.summary,
        licence="",
        install=f"pip install {distribution}",
        hardware="",
        tested=(),
        components=tuple(
            CardComponent(one.spec.kind, one.spec.name, one.spec.summary) for one in plugin.components
        ),
    )


def matches(cards: list[Card], words: list[str]) -> list[tuple[Card, list[CardComponent]]]:
    """Cards that hold every word, each with the components that the words are about, none where it is the whole plugin."""
    wanted = [word.lower() for word in " ".join(words).split()]
    return [(card, _meant(card, wanted)) for card in cards if all(word in card.text for word in wanted)]


def _meant(card: Card, wanted: list[str]) -> list[CardComponent]:
    """Components that hold all words; where none does, those with a word of their own to which the plugin's text adds
    the others.
    """
    alone = [one for one in card.components if all(word in one.text for word in wanted)]
    return alone or [
        one
        for one in card.components
        if any(word in one.text for word in wanted)
        and all(word in f"{card.own_text} {one.text}" for word in wanted)
    ]


def as_dict(card: Card, components: list[CardComponent], registry: Registry) -> dict[str, Any]:
    """A match as JSON shows it; ``installed`` is a version or null."""
    return {
        "id": card.plugin,
        "distribution": card.distribution,
        "installed": _version(card, registry),
        "summary": card.summary,
        "licence": card.licence,
        "hardware": card.hardware,
        "install": card.install,
        "components": [{"kind": one.kind, "name": one.name, "summary": one.summary} for one in components],
    }


def _print_table(
    found: list[tuple[Card, list[CardComponent]]], registry: Registry, *, by_component: bool
) -> None:
    rows = []
    for card, components in found:
        there = _version(card, registry) or "no"
        if by_component and components:
            rows += [(f"{one.kind}/{one.name}", card.plugin, there, one.summary) for one in components]
        else:
            rows.append(("", card.plugin, there, card.summary))
    if any(row[0] for row in rows):
        print(columns(("kind/name", "plugin", "installed", "what"), rows))
    else:
        print(columns(("plugin", "installed", "what"), [row[1:] for row in rows]))
    absent = [card for card, _ in found if _version(card, registry) is None]
    for card in absent:
        print(f"\nto install {card.plugin}: {card.install}")


def _version(card: Card, registry: Registry) -> str | None:
    """The installed version, also of a plugin that is blocked or failed."""
    if card.plugin in registry.plugins:
        return registry.plugins[card.plugin].installed.version
    if card.plugin in registry.blocked:
        return "blocked"
    failed = any(failure.plugin.id == card.plugin for failure in registry.failures)
    return "failed" if failed else None
