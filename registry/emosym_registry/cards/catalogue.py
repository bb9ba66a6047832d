"""Which plugins are known: the cards beside this file, and those that installed packages bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from emosym_registry.cards.reading import Card, read_card
from emosym_registry.errors import first_line
from emosym_registry.plugins import Failure, LoadedPlugin

FOLDER = Path(__file__).parent


@cache
def bundled_cards() -> tuple[Card, ...]:
    """The cards that come with this package, sorted by plugin."""
    return tuple(read_card(path) for path in sorted(FOLDER.glob("*.yaml")))


def merged(plugins: Iterable[LoadedPlugin], fail: Callable[[Failure], None]) -> dict[str, Card]:
    """All cards by plugin id, sorted; one that cannot be read goes to ``fail`` and stops nothing.

    A plugin's word on itself counts most, then the bundled card, then what another plugin says of it.
    """
    own: dict[str, Card] = {}
    others: dict[str, Card] = {}
    for plugin in plugins:
        for card in _brought(plugin, fail):
            (own if card.plugin == plugin.id else others).setdefault(card.plugin, card)
    bundled = {card.plugin: card for card in bundled_cards()}
    return dict(sorted({**others, **bundled, **own}.items()))


def _brought(plugin: LoadedPlugin, fail: Callable[[Failure], None]) -> list[Card]:
    """The cards of one plugin that can be read."""
    cards: list[Card] = []
    for folder in plugin.cards:
        paths: list[Path] = []
        with _recorded(plugin, fail):
            place = folder.location
            paths = sorted(place.glob("*.yaml")) or [
                place / "*.yaml"
            ]  # no card at all is an error like a bad one
        for path in paths:
            with _recorded(plugin, fail):
                cards.append(read_card(path))
    return cards


@contextmanager
def _recorded(plugin: LoadedPlugin, fail: Callable[[Failure], None]) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever is wrong with a plugin's files, the other cards are read
        hint = getattr(error, "hint", "") or f"report it to the authors of {plugin.installed.distribution}"
        fail(Failure(plugin.installed, "cards", first_line(error), hint, error))
