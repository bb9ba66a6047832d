"""The names of splits."""

from __future__ import annotations

from emosym_registry import EmosymError

from emosym.contracts import SPLITS


def check_split(name: str, dataset: str) -> None:
    """Refuse a split that no dataset has."""
    if name not in SPLITS:
        raise EmosymError(
            "data.no-split",
            f"{dataset} has no split {name!r}",
            hint=f"splits: {', '.join(SPLITS)}",
            ours=True,
        )
