"""The catalogue of known plugins, installed or not: one YAML card each. Reading happens on first use."""

from emosym_registry.cards.catalogue import (
    Card,
    CardComponent,
    find_card,
    load_cards,
    read_card,
    search_cards,
)

__all__ = ["Card", "CardComponent", "find_card", "load_cards", "read_card", "search_cards"]
