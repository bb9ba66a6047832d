"""What a report reads of a folder; a part that is missing or not whole is left out, so that a page can be made of any folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emosym_registry import EmosymError

from emosym.predictions import Predictions, read_predictions
from emosym.toolkit.files import read_json as read_file


def read_json(path: Path) -> Any:
    """What a JSON file holds, None where there is no file. Errors: ``report.damaged``."""
    if not path.exists():
        return None
    try:
        return read_file(path)
    except (OSError, ValueError) as error:
        raise EmosymError(
            "report.damaged",
            f"{path} cannot be read: {error}",
            hint="restore it, or put it aside: the report leaves out what is not there",
        ) from error


def read_seen(path: Path) -> Predictions | None:
    """Predictions, None where there is no file. Errors: ``predictions.unreadable``."""
    return read_predictions(path) if path.exists() else None
