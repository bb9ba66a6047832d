"""The catalogue as a page of the documentation, made from the cards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from emosym_registry.cards.reading import Card
from emosym_registry.descriptors import KINDS

HEAD = """\
# Catalogue of plugins

Every plugin that emosym knows, installed or not. `emosym plugins search WORDS` looks in the same cards,
`emosym plugins show NAME` shows one with its parameters where it is installed, and a spec that names a component which
is not installed is answered with the command that brings it.

This page is generated from the cards; to change it, change or add a card: see
[Publish a plugin](../how-to/publish-a-plugin.md).
"""


def page(cards: Iterable[Card]) -> str:
    """The page in Markdown: the components by kind, then each plugin."""
    known = list(cards)
    return "\n".join([HEAD, *_components(known), *_plugins(known)])


def _components(cards: list[Card]) -> Iterator[str]:
    yield "## Components\n"
    yield "| kind | name | plugin | what |\n|---|---|---|---|"
    rows = [
        (KINDS.index(one.kind), one.name, card.plugin, one.summary)
        for card in cards
        for one in card.components
    ]
    for place, name, plugin, summary in sorted(rows):
        yield f"| {KINDS[place]} | `{name}` | [{plugin}](#{plugin}) | {_cell(summary)} |"
    yield ""


def _plugins(cards: list[Card]) -> Iterator[str]:
    yield "## Plugins"
    for card in cards:
        yield f"\n### {card.plugin}\n\n{card.summary}.\n"
        yield "| | |\n|---|---|"
        yield f"| package | `{card.distribution}` |"
        yield f"| licence | {card.licence} |"
        yield f"| to install | `{card.install}` |"
        yield f"| tested versions | {', '.join(card.tested)} |"
        yield f"| hardware | {_cell(card.hardware)} |"
        kinds = [kind for kind in KINDS if any(one.kind == kind for one in card.components)]
        yield f"| offers | {', '.join(kinds)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
