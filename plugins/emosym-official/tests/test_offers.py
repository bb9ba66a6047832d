"""What the plugin offers can be imported, and neither listing it nor importing emosym imports torch."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from emosym_registry import load_registry

import emosym


def test_the_fusion_and_the_verb_are_offered() -> None:
    registry = load_registry(only=["emosym-official"], strict=True)
    offer = registry.find("fusion", "official")
    assert offer.load().__name__ == "OfficialFusion"
    assert offer.load_config().model_config["extra"] == "forbid"
    assert [name for _, (name, _, _) in registry.commands()] == ["import"]


@pytest.mark.parametrize("modules", ["emosym", "emosym_official.plugin, emosym_official.config"])
def test_light_modules_import_no_torch(modules: str) -> None:
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_the_public_names_of_emosym_are_what_they_say() -> None:
    assert {"System", "load", "load_spec", "plugins_only", "Resolved"} <= set(emosym.__all__)
    assert inspect.signature(emosym.load) == inspect.signature(emosym.System.load)
