"""Cards by what they compute at most."""

from __future__ import annotations

from emosym_registry import EmosymError
from emosym_registry.errors import unknown

CARDS = {
    "a10": 125.0,
    "a100": 312.0,
    "b200": 2250.0,
    "h100": 989.4,
    "h200": 989.4,
    "l4": 121.0,
    "l40s": 362.05,
    "rtx3090": 71.0,
    "rtx4090": 165.2,
}
"""Peak of dense bf16 matrix products with float32 sums, in TFLOP/s, without sparsity. Source: NVIDIA's data sheets of A10, A100,
H100 (SXM), H200, B200 (of an HGX board), L4 and L40S, which say twice as much where they count sparsity, and its whitepapers
of GA102 and of the Ada architecture for the two GeForce cards."""


def peak(card: str) -> float:
    """Operations a second of a card at its peak. Errors: ``cost.unknown-card``."""
    found = CARDS.get(card.lower())
    if found is None:
        raise unknown("cost.unknown-card", "card", card, CARDS)
    return found * 1e12


def check_share(share: float) -> float:
    """The share, where it is one. Errors: ``cost.bad-share``."""
    if not 0 < share <= 1:
        raise EmosymError(
            "cost.bad-share",
            f"--share {share:g} is no share of a card's peak",
            hint="give more than 0 and at most 1; large models train at 0.3 to 0.5",
        )
    return share
