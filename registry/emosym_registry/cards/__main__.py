"""``python -m emosym_registry.cards`` prints the catalogue's page, or checks the cards given as files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from emosym_registry.cards.catalogue import bundled_cards
from emosym_registry.cards.page import page
from emosym_registry.cards.reading import read_card
from emosym_registry.errors import EmosymError, plural


def main(files: Sequence[str]) -> int:
    """0 where every card is sound, 2 where one is not."""
    if not files:
        print(page(bundled_cards()), end="")
        return 0
    status = 0
    for file in files:
        try:
            card = read_card(Path(file))
            print(f"ok: {file}: {plural(len(card.components), 'component')}")
        except EmosymError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 2
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
