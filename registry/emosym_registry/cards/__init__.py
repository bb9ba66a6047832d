"""The catalogue of known plugins, installed or not: one YAML card each. Reading happens on first use."""

from emosym_registry.cards.catalogue import bundled_cards
from emosym_registry.cards.reading import Card, CardComponent, read_card

__all__ = ["Card", "CardComponent", "bundled_cards", "read_card"]
