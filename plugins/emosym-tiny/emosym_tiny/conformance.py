"""What `emosym plugins check` runs for this plugin: a small world, drawn for the check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emosym.testing import DatasetSuite


class TinyWorld(DatasetSuite):
    """Dataset ``tiny-world``."""

    component = "emosym-tiny/tiny-world"

    def parameters(self) -> Mapping[str, Any]:
        """120 pictures of 32 pixels in a folder that goes with the check."""
        sizes = {"train": 96, "val": 8, "test": 16, "size": 32, "workers": 1}
        return {**sizes, "root": str(self.folder / "world")}
