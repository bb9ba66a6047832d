"""What the plugin has can be imported, and listing it imports no torch."""

from __future__ import annotations

import subprocess
import sys

from emosym_registry import load_registry

NAMES = {
    ("dataset", "emoset"),
    ("dataset", "image-folder"),
    ("dataset", "index"),
    ("dataset", "hf"),
    ("knowledge", "annotations"),
    ("knowledge", "jsonl"),
    ("knowledge", "backbone"),
    ("knowledge", "openai"),
}


def test_every_component_loads() -> None:
    registry = load_registry(only=["emosym-data"])
    assert registry.failures == []
    components = registry.components()
    assert {(one.spec.kind, one.spec.name) for one in components} == NAMES
    for one in components:
        assert one.load().__name__ == one.spec.target.partition(":")[2]
        assert one.load_config().model_config["extra"] == "forbid"


def test_descriptors_and_configs_import_no_torch() -> None:
    code = "import sys, emosym_data.plugin, emosym_data.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
