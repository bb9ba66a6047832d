"""What the plugin offers can be imported, and listing it imports no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from emosym_registry import load_registry

OFFERS = [("memory", "sql"), ("memory", "in-memory")]


@pytest.mark.parametrize(("kind", "name"), OFFERS)
def test_every_offer_loads(kind: str, name: str) -> None:
    registry = load_registry(only=["emosym-memory"])
    assert registry.failures == []
    offer = registry.find(kind, name)
    assert offer.load().__name__ == offer.spec.target.partition(":")[2]
    assert offer.load_config().model_config["extra"] == "forbid"


def test_descriptors_and_configs_import_no_torch() -> None:
    code = "import sys, emosym_memory.plugin, emosym_memory.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
